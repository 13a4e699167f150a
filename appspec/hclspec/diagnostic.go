package hclspec

import (
	"errors"
	"io/fs"
	"strconv"
	"syscall"

	"github.com/hashicorp/hcl/v2"
)

// problem is an error at a place: what is wrong, and what to write instead.
func problem(rng hcl.Range, what, instead string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: withoutPasswords(what), Detail: withoutPasswords(instead), Subject: rng.Ptr()}
}

// warning is what keeps nothing from running.
func warning(rng hcl.Range, what, instead string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: withoutPasswords(what), Detail: withoutPasswords(instead), Subject: rng.Ptr()}
}

// rangeAt is the place of one byte.
func rangeAt(path string, src []byte, offset int) hcl.Range {
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

func itoa(n int) string { return strconv.Itoa(n) }

func readAdvice(err error) string {
	const meanwhile = ": until then the apps of this file keep running as they are"
	switch {
	case err.Error() == noSuchFile:
		return "is the name right?"
	case errors.Is(err, fs.ErrNotExist):
		return "remove the link or put its target back" + meanwhile
	case errors.Is(err, fs.ErrPermission):
		return "give the user of the daemon permission to read it" + meanwhile
	case errors.Is(err, syscall.ELOOP):
		return "correct the symlink" + meanwhile
	default:
		return "a spec is a regular file of text: give this one another name, or put it elsewhere"
	}
}
