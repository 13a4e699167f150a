package explain

import (
	"github.com/hashicorp/hcl/v2"
)

// Problem is an error at a place: what is wrong, and what to write instead.
func Problem(rng hcl.Range, what, instead string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: withoutPasswords(what), Detail: withoutPasswords(instead), Subject: rng.Ptr()}
}

// Warning is what keeps nothing from running.
func Warning(rng hcl.Range, what, instead string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: withoutPasswords(what), Detail: withoutPasswords(instead), Subject: rng.Ptr()}
}

// RangeAt is the place of one byte.
func RangeAt(path string, src []byte, offset int) hcl.Range {
	start := hcl.Pos{Line: 1, Column: 1, Byte: offset}
	for _, r := range string(src[:offset]) {
		if start.Column++; r == '\n' {
			start.Line, start.Column = start.Line+1, 1
		}
	}
	end := start
	end.Column++
	end.Byte++
	return hcl.Range{Filename: path, Start: start, End: end}
}

// Sort brings the diagnostics of one file into the order of the file.
func Sort(diags hcl.Diagnostics) {
	stableSort(diags, func(a, b *hcl.Diagnostic) bool {
		return a.Subject != nil && b.Subject != nil && a.Subject.Filename == b.Subject.Filename && a.Subject.Start.Byte < b.Subject.Start.Byte
	})
}
