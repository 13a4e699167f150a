package hclspec

import (
	"bytes"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// FormatSource brings a spec file in HCL's native syntax into canonical form:
// indentation, spaces, aligned =, one newline at the end. Comments stay. A file
// with a syntax error is not changed; the error is a *SyntaxError. JSON files
// (*.hcl.json) are not for it.
func FormatSource(src []byte) ([]byte, error) {
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	f := &file{path: "", src: src}
	if at, what := badText(src); at >= 0 {
		f.fault(explain.RangeAt("", src, at), "the file holds "+what, "a spec is text in UTF-8")
		return nil, &SyntaxError{Diagnostics: f.diags}
	}
	if err := checkShape(src); err != nil {
		f.fault(hcl.Range{}, err.Error(), "")
		return nil, &SyntaxError{Diagnostics: f.diags}
	}
	if _, diags := hclsyntax.ParseConfig(src, "", hcl.InitialPos); diags.HasErrors() {
		return nil, &SyntaxError{Diagnostics: explain.Syntax("", src, diags)}
	}
	out := bytes.TrimRight(hclwrite.Format(src), " \t\r\n")
	if len(out) > 0 {
		out = append(out, '\n')
	}
	return out, nil
}

// SyntaxError is why a file cannot be formatted. The place in its text is
// line:column, for the caller to put the file's name before.
type SyntaxError struct {
	Diagnostics hcl.Diagnostics
}

func (e *SyntaxError) Error() string {
	d := e.Diagnostics[0]
	text := d.Summary
	if d.Subject != nil && d.Subject.Start.Line > 0 {
		text = itoa(d.Subject.Start.Line) + ":" + itoa(d.Subject.Start.Column) + ": " + text
	}
	if d.Detail != "" {
		text += ": " + d.Detail
	}
	return text
}
