package explain

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// The ${ or %{ of a string, where an expression starts. Whoever writes a percentage or a
// password may not know that it is one.

// markAt is the mark that a place of a template is in, the last one that is open there;
// behind all of them the last directive, of which a part is missing. closed tells whether
// its } is there.
func markAt(tokens hclsyntax.Tokens, at int) (mark *hclsyntax.Token, closed bool) {
	var open []int
	last, found := -1, -1
	for i, t := range tokens {
		if found < 0 && t.Range.Start.Byte >= at && (t.Range.Start.Byte > at || !isMark(t.Type)) {
			found = last
			if len(open) > 0 {
				found = open[len(open)-1]
			}
		}
		switch {
		case isMark(t.Type):
			open = append(open, i)
			if t.Type == hclsyntax.TokenTemplateControl {
				last = i
			}
		case t.Type == hclsyntax.TokenTemplateSeqEnd:
			open = open[:max(len(open)-1, 0)]
		}
	}
	if found < 0 && len(open) > 0 {
		found = open[len(open)-1]
	}
	if found < 0 {
		return nil, false
	}
	return &tokens[found], !slices.Contains(open, found)
}

func isMark(t hclsyntax.TokenType) bool {
	return t == hclsyntax.TokenTemplateInterp || t == hclsyntax.TokenTemplateControl
}

// itself is how the two characters of a mark are written where they are meant.
func itself(mark *hclsyntax.Token) string {
	return string(mark.Bytes[:1]) + string(mark.Bytes[:2]) + " for the two characters themselves"
}

// unclosedMark says that a mark has no }.
func unclosedMark(mark *hclsyntax.Token) *hcl.Diagnostic {
	return Problem(mark.Range, "the "+string(mark.Bytes[:2])+" in this string is not closed", "write } after the expression, or "+itself(mark))
}

// ofMark says of a fault in an expression of a string how the mark before it is written
// where it is to be none.
func ofMark(tokens hclsyntax.Tokens, d *hcl.Diagnostic) *hcl.Diagnostic {
	switch mark, closed := markAt(tokens, d.Subject.Start.Byte); {
	case mark == nil:
		return d
	case closed:
		detail, _, _ := strings.Cut(d.Detail, ".\n") // behind it the library says the same at length
		and := "; write "
		if strings.HasSuffix(detail, "?") {
			and = " Or write "
		}
		return Problem(*d.Subject, d.Summary, detail+and+itself(mark))
	default:
		return unclosedMark(mark)
	}
}

// JSONTemplates says of a JSON file what Syntax says of others where a string of it is no
// template: of each string the first fault.
func JSONTemplates(path string, src []byte, diags hcl.Diagnostics) hcl.Diagnostics {
	var out hcl.Diagnostics
	said := map[int]bool{}
	for _, d := range diags {
		if d.Severity != hcl.DiagError || d.Expression != nil || d.Subject == nil || len(said) == maxSyntax {
			out = append(out, d)
			continue
		}
		start, text := jsonStringAt(src, d.Subject.Start.Byte)
		if said[start] {
			continue
		}
		if start < 0 || !badTemplate(path, text) {
			out = append(out, d)
			continue
		}
		said[start] = true
		tokens, _ := hclsyntax.LexTemplate([]byte(text), path, RangeAt(path, src, start).Start)
		out = append(out, ofMark(tokens, Plain(hcl.Diagnostics{d})[0]))
	}
	return out
}

func badTemplate(path, text string) bool {
	_, faults := hclsyntax.ParseTemplate([]byte(text), path, hcl.InitialPos)
	return faults.HasErrors()
}

// jsonStringAt is the string of a JSON file that a byte is in, or that ends before it: where
// its text starts, and that text.
func jsonStringAt(src []byte, at int) (start int, text string) {
	for i := 0; i < len(src); i++ {
		if src[i] != '"' {
			continue
		}
		end := StringEnd(src, i+1, []byte{'"'})
		if end >= at {
			if i >= at || json.Unmarshal(src[i:min(end+1, len(src))], &text) != nil {
				return -1, ""
			}
			return i + 1, text
		}
		i = end
	}
	return -1, ""
}
