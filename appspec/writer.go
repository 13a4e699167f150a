package appspec

import (
	"io"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// fault makes a Fault of diagnostics.
func (s *Set) fault(path, app string, diags hcl.Diagnostics, apps []string) Fault {
	f := Fault{File: path, App: app, Diagnostics: diags, Apps: apps}
	var b strings.Builder
	for i, d := range diags {
		if i == 0 {
			f.Summary = place(d.Subject) + ": " + d.Summary
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		writeDiagnostic(&b, s.Sources, d, false)
	}
	f.Text = b.String()
	return f
}

// WriteDiagnostics writes all faults and warnings, each with its place and its
// source line, for people.
func (s *Set) WriteDiagnostics(w io.Writer, color bool) error {
	var b strings.Builder
	for _, f := range s.Faults {
		for _, d := range f.Diagnostics {
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			writeDiagnostic(&b, s.Sources, d, color)
		}
	}
	for _, d := range s.Warnings {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		writeDiagnostic(&b, s.Sources, d, color)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// place is file:line:column.
func place(rng *hcl.Range) string {
	if rng == nil {
		return "?"
	}
	if rng.Start.Line == 0 {
		return rng.Filename
	}
	return rng.Filename + ":" + itoa(rng.Start.Line) + ":" + itoa(rng.Start.Column)
}

// writeDiagnostic writes one diagnostic.
func writeDiagnostic(b *strings.Builder, sources map[string][]byte, d *hcl.Diagnostic, color bool) {
	red, yellow, bold, reset := "", "", "", ""
	if color {
		red, yellow, bold, reset = "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[0m"
	}
	kind := red + "error"
	if d.Severity == hcl.DiagWarning {
		kind = yellow + "warning"
	}
	b.WriteString(bold + place(d.Subject) + ": " + kind + reset + ": " + bold + d.Summary + reset + "\n")
	writeSource(b, sources, d.Subject, red, reset)
	if d.Detail != "" {
		b.WriteString("  " + strings.ReplaceAll(d.Detail, "\n", "\n  ") + "\n")
	}
}

// writeSource writes the line of a place, with what is meant underlined.
func writeSource(b *strings.Builder, sources map[string][]byte, rng *hcl.Range, mark, reset string) {
	if rng == nil || rng.Start.Line == 0 {
		return
	}
	src := sources[rng.Filename]
	if rng.Start.Byte > len(src) || rng.Start.Byte < 0 {
		return
	}
	from := strings.LastIndexByte(string(src[:rng.Start.Byte]), '\n') + 1
	to := len(src)
	if i := strings.IndexByte(string(src[rng.Start.Byte:]), '\n'); i >= 0 {
		to = rng.Start.Byte + i
	}
	line := string(src[from:to])
	number := itoa(rng.Start.Line)
	b.WriteString("  " + number + " | " + line + "\n")
	end := min(max(rng.End.Byte, rng.Start.Byte+1), max(to, rng.Start.Byte+1))
	pad := strings.Repeat(" ", len(number))
	b.WriteString("  " + pad + " | " + strings.Repeat(" ", rng.Start.Byte-from) + mark + strings.Repeat("^", end-rng.Start.Byte) + reset + "\n")
}

// appNames are the apps of a broken file, as far as it can be read.
func appNames(f *file) []string {
	var names []string
	for _, b := range f.apps {
		if len(b.Labels) > 0 {
			names = append(names, b.Labels[0])
		}
	}
	return names
}
