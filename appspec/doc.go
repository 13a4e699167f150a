// Package appspec is what an app is: a Spec, wholly resolved, and the table of
// its attributes.
//
// # The table
//
// Every attribute stands once, in the table of table.go: its path, type,
// default, allowed values, what a change of it costs, and its line of
// documentation. The decoder of package hclspec, Default, Diff and the reference
// page (examples/specs/README.md) all read that table, so none can know an
// attribute that another does not.
//
// # What it knows, and what not
//
// It compares two specs (Diff), fills in defaults, writes and reads the JSON form
// that a master is handed, and writes values as the language has them. It knows
// neither files nor the library that parses them: where an attribute was written
// is a Range, which package hclspec fills in. A master links this package and not
// that one.
//
// # Secrets
//
// Spec.Sensitive names the attributes whose values must not be printed. No text
// that this package makes holds such a value: not Diff, not a Spec's String. Only
// the JSON form of a Spec holds it.
//
// # Size
//
// It has more than 4,000 lines: a fifth of them are rows of the table, and what reads
// rows (forms, defaults, Diff) uses fields that nobody else may set.
package appspec
