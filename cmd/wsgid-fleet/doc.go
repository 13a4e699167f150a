// Command wsgid-fleet runs a directory of WSGI applications: each *.hcl file of
// the directory describes apps, and the fleet makes what runs equal to what the
// files say.
//
// This package is only the command line: it reads arguments, asks a
// fleet.Operator, and writes what people and scripts read. One file holds one
// command; table.go, style.go, plan_text.go, status_text.go and result_text.go
// turn the fleet's types into text.
//
// # Exit codes
//
//	0   done; for plan: nothing to do; for status: all as specified
//	1   not done: the error, or each app that failed, is on standard error
//	2   plan: there are changes
//	3   status: something is not as specified; fmt -check: something would change
//	64  the command line itself is wrong (EX_USAGE of sysexits.h)
//
// A name that is no app is not a usage error but 1: whether it is right depends
// on the spec directory, not on the command line.
//
// # Where the words go
//
// What was asked for goes to standard output. Errors, warnings and progress go
// to standard error, errors as "wsgid-fleet: cannot VERB OBJECT: reason".
// Colour and progress appear only on a terminal, and never with NO_COLOR set.
//
// # Size
//
// It has more than 4,000 lines, as it has thirty commands. None calls another, so each
// is read alone; a package for each would only give every command a second name.
package main
