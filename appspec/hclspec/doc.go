// Package hclspec is the language that apps are described in: it turns a
// directory of HCL files into a Set of wholly resolved Specs and says of
// everything else exactly where it is wrong and what to write instead. The
// daemon and the commands call it; a master is handed a Spec and does not link
// it.
//
// # From bytes to a Set
//
// Options.Load lists the directory, reads each file (bounded, never blocking on
// what is not a regular file), parses it, evaluates its locals, and applies layers
// to the defaults of the table of package appspec: the defaults block of
// defaults.hcl, then the app block, then, of an app with environments, each of
// these, which becomes a Spec of its own. A fault stays with the app or the file it
// was found in; what several environments inherit is told once. When all files are read, checks across apps (one name, one socket,
// one folder) take out the apps that stand in each other's way.
//
// # What is wrong, and what to write instead
//
// Faults are found here; what their writer meant is said by package explain: of files
// that do not parse, of expressions, of names that are unknown or another program's.
//
// # Secrets
//
// What went through sensitive() or file() carries a mark through every
// expression and ends as a path in Spec.Sensitive. No diagnostic holds such a
// value; the source lines in diagnostics are masked.
//
// # Size
//
// It has more than 4,000 lines: a language, of which every attribute is checked by itself
// and with others, and each check knows what to write instead. The functions of the
// language and the lookups over the table are made when a file is first read.
package hclspec
