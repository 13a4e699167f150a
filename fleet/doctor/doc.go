// Package doctor looks for what commonly keeps a fleet, or one of its apps, from
// running, and says for each what to do.
//
// Look reads, and nothing else: the kernel's files, the user database, the
// interpreters' versions, the disks. What it read is Facts. The checks are pure
// functions of Facts, so that each is tested where it is bad.
package doctor
