// Package appspec is the language that apps are described in: it turns a
// directory of HCL files into a Set of wholly resolved Specs and says of
// everything else exactly where it is wrong and what to write instead.
//
// # The table
//
// Every attribute stands once, in the table of table.go: its path, type,
// default, allowed values, what a change of it costs, and its line of
// documentation. The decoder, Default, Diff and the reference page
// (examples/specs/README.md) all read that table, so none can know an
// Attribute that another does not.
//
// # From bytes to a Set
//
// Options.Load lists the directory, reads each file (bounded, never blocking on
// what is not a regular file), parses it, evaluates its locals, and applies two
// layers to the defaults of the table: the defaults block of defaults.hcl, then
// the app block. A fault stays with the app or the file it was found in. When
// all files are read, checks across apps (one name, one socket, one folder)
// take out the apps that stand in each other's way.
//
// # Secrets
//
// What went through sensitive() or file() carries a mark through every
// expression and ends as a path in Spec.Sensitive. No text that this package
// makes holds such a value: not diagnostics, not Diff, not a Spec's String; the
// source lines in diagnostics are masked. Only the JSON form of a Spec holds it.
//
// # Size
//
// The master links this package, so it does nothing at program start: the
// functions of the language and the lookups over the table are made when a file
// is first read.
package appspec
