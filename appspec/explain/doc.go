// Package explain says what the writer of a faulty spec meant, and what to write instead:
// of files that do not parse (Syntax and JSON, which look at the tokens), of expressions
// (Expressions), of names that are unknown where they stand (Elsewhere) or come from other
// programs (PeerHint). It is pure: text, tokens and names go in, a diagnostic or a word of
// advice comes out. Which faults there are, package hclspec finds.
//
// Whatever it says may be printed: what stands in sensitive(…), and passwords in addresses,
// are found by bytes alone (SecretSpans), as the file may be one that cannot be parsed.
package explain
