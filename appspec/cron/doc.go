// Package cron reads the five fields of a crontab line and tells when they come next.
//
// It means by them what Debian's cron does, as that is where the lines come from: a day
// fits by either day field where both are limited, and by both where one begins with a
// star; where minute and hour are fixed, a run of the hour that a night in spring does
// not have comes when that hour is over, and one of the hour that a night in autumn has
// twice comes once. What cron reads and does not do as its author thought is refused
// with what to write instead: a step that is longer than its field, a range that runs
// backwards, a day that never comes.
//
// It knows no clock, no files and no processes: who calls it brings the moment and the
// zone. The libraries for this each differ in one of these points (see the reference
// page), and none of them says what to write instead.
package cron
