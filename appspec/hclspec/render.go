package hclspec

import (
	"bytes"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// maxLine is how much of a source line is shown, in columns.
const maxLine = 120

// renderer writes diagnostics as people read them.
type renderer struct {
	sources map[string][]byte
	masks   map[string][]explain.Span // by file, made when first needed
	color   bool
}

// fault makes a Fault of diagnostics.
func (r *renderer) fault(path, app string, diags hcl.Diagnostics, apps []string) Fault {
	explain.Sort(diags)
	f := Fault{File: path, App: app, Diagnostics: diags, Apps: apps}
	var b strings.Builder
	for i, d := range diags {
		if i == 0 {
			f.Summary = place(d.Subject) + ": " + clean(d.Summary)
		} else {
			b.WriteByte('\n')
		}
		r.write(&b, d)
	}
	f.Text = b.String()
	return f
}

// WriteDiagnostics writes all faults and warnings, each with its place and its
// source line, for people. It prints no secret.
func (s *Set) WriteDiagnostics(w io.Writer, color bool) error {
	r := &renderer{sources: s.Sources, color: color}
	var all hcl.Diagnostics
	for _, f := range s.Faults {
		all = append(all, f.Diagnostics...)
	}
	all = append(all, s.Warnings...)
	for i, d := range all {
		var b strings.Builder
		if i > 0 {
			b.WriteByte('\n')
		}
		r.write(&b, d)
		if _, err := io.WriteString(w, b.String()); err != nil {
			return err
		}
	}
	return nil
}

// Sentence is a diagnostic in one line: where, what, and what instead.
func Sentence(d *hcl.Diagnostic) string {
	text := place(d.Subject) + ": " + clean(d.Summary)
	if d.Detail != "" {
		text += "; " + clean(d.Detail)
	}
	return text
}

// place is file:line:column, or the file where a diagnostic is of no line.
func place(rng *hcl.Range) string {
	switch {
	case rng == nil:
		return "?"
	case rng.Start.Line == 0:
		return rng.Filename
	default:
		return rng.Filename + ":" + itoa(rng.Start.Line) + ":" + itoa(rng.Start.Column)
	}
}

func (r *renderer) write(b *strings.Builder, d *hcl.Diagnostic) {
	mark, bold, reset := "", "", ""
	kind := "error"
	if d.Severity == hcl.DiagWarning {
		kind = "warning"
	}
	if r.color {
		mark, bold, reset = "\x1b[31m", "\x1b[1m", "\x1b[0m"
		if d.Severity == hcl.DiagWarning {
			mark = "\x1b[33m"
		}
	}
	b.WriteString(bold + clean(place(d.Subject)) + ": " + mark + kind + reset + bold + ": " + clean(d.Summary) + reset + "\n")
	r.source(b, d.Subject, mark, reset)
	if d.Detail != "" {
		for line := range strings.SplitSeq(d.Detail, "\n") {
			b.WriteString("  " + clean(line) + "\n")
		}
	}
}

// source writes the line of a place, with what is meant underlined.
func (r *renderer) source(b *strings.Builder, rng *hcl.Range, mark, reset string) {
	if rng == nil || rng.Start.Line == 0 {
		return
	}
	src, ok := r.sources[rng.Filename]
	start, end := rng.Start.Byte, rng.End.Byte
	if !ok || start < 0 || start > len(src) {
		return
	}
	from := bytes.LastIndexByte(src[:start], '\n') + 1
	to := len(src)
	if i := bytes.IndexByte(src[start:], '\n'); i >= 0 {
		to = start + i
	}
	if end <= start {
		end = start + 1
	}
	l := line{spans: r.mask(rng.Filename, src)}
	l.read(src, from, to, start, end)
	before, under, after := l.cut()
	number := itoa(rng.Start.Line)
	b.WriteString("  " + number + " | " + before + under + after + "\n")
	b.WriteString("  " + strings.Repeat(" ", len(number)) + " | " + strings.Repeat(" ", width(before)) + mark + strings.Repeat("^", max(width(under), 1)) + reset + "\n")
}

func (r *renderer) mask(name string, src []byte) []explain.Span {
	m, ok := r.masks[name]
	if !ok {
		if r.masks == nil {
			r.masks = make(map[string][]explain.Span)
		}
		m = explain.SecretSpans(src)
		r.masks[name] = m
	}
	return m
}

// line is a source line in three parts: before what is meant, that, and after.
type line struct {
	spans               []explain.Span
	before, under, rest []rune
}

// read takes the line apart. Secrets become (sensitive), tabs become spaces,
// and what a terminal would act on becomes a sign that it does not.
func (l *line) read(src []byte, from, to, start, end int) {
	for i := from; i < to; {
		part := &l.before
		if i >= end {
			part = &l.rest
		} else if i >= start {
			part = &l.under
		}
		if s, ok := explain.Find(l.spans, i); ok {
			text := []rune(appspec.SensitiveText)
			if s.Start > 0 && src[s.Start-1] == '(' {
				text = []rune("…")
			}
			// What is meant may lie within the secret: then all of it is.
			if part == &l.before && start < s.End {
				part = &l.under
			}
			*part = append(*part, text...)
			i = s.End
			continue
		}
		r, n := utf8.DecodeRune(src[i:to])
		switch {
		case r == '\t':
			*part = append(*part, ' ', ' ')
		case r == '\r' && i == to-1:
		default:
			*part = append(*part, printable(r))
		}
		i += n
	}
}

// cut makes a long line fit, so that what is meant is seen.
func (l *line) cut() (before, under, rest string) {
	if len(l.before)+len(l.under)+len(l.rest) > maxLine {
		if len(l.under) > maxLine/2 {
			l.under = append(l.under[:maxLine/2-1:maxLine/2-1], '…')
			l.rest = nil
		}
		if room := maxLine - len(l.under) - min(len(l.rest), maxLine/4); len(l.before) > room {
			l.before = append([]rune{'…'}, l.before[len(l.before)-room+1:]...)
		}
		if room := maxLine - len(l.under) - len(l.before); len(l.rest) > room {
			l.rest = append(l.rest[:max(room-1, 0):max(room-1, 0)], '…')
		}
	}
	return string(l.before), string(l.under), string(l.rest)
}

// clean makes text safe for a terminal.
func clean(s string) string { return strings.Map(printable, s) }

func printable(r rune) rune {
	if r == utf8.RuneError || !unicode.IsPrint(r) && !unicode.Is(unicode.Mn, r) {
		return '�'
	}
	return r
}

// width is the columns a text takes on a terminal: two for the wide scripts,
// none for marks that combine.
func width(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Mn, r):
		case r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 ||
			r >= 0xf900 && r <= 0xfaff || r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 || r >= 0x1f300 && r <= 0x1faff || r >= 0x20000 && r <= 0x3fffd):
			n += 2
		default:
			n++
		}
	}
	return n
}
