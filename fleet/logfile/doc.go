// Package logfile reads the log of an app as its master writes it: over the files
// that rotation made, from any of its last lines, and on as it grows. The command
// "logs" and the console show it.
//
// A log belongs to the app's user, who may put anything there: files are opened
// below the app folder by package appdir, lines are cut at a bound, and what is in
// them is for the caller to make harmless.
package logfile
