package explain

import (
	"bytes"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// maxSyntax is how many syntax errors of one file are shown: those after the
// first few are mostly made by the parser's having lost its way.
const maxSyntax = 5

// Syntax turns what the parser says of a file into our words. The
// parser says what it expected; here we look at the tokens around the place for
// what the writer meant.
func Syntax(path string, src []byte, diags hcl.Diagnostics) hcl.Diagnostics {
	diags = Plain(diags)
	Sort(diags)
	s := newSyntax(path, src)
	if d := s.whole(); d != nil {
		return hcl.Diagnostics{d}
	}
	var out hcl.Diagnostics
	lines := make(map[int]bool)
	for _, d := range diags {
		at := d.Subject.Start.Line
		if lines[at] || len(out) == maxSyntax {
			continue
		}
		lines[at] = true
		if own := s.near(d.Subject.Start); own != nil {
			d = own
		} else {
			d = ofMark(s.tokens, d)
		}
		out = append(out, d)
	}
	return out
}

// syntax is a file that does not parse, as tokens.
type syntax struct {
	path   string
	src    []byte
	tokens hclsyntax.Tokens // without comments
	masks  []Span
}

func newSyntax(path string, src []byte) *syntax {
	all, _ := hclsyntax.LexConfig(src, path, hcl.InitialPos)
	s := &syntax{path: path, src: src, tokens: make(hclsyntax.Tokens, 0, len(all)), masks: SecretSpans(src)}
	for _, t := range all {
		if t.Type == hclsyntax.TokenComment {
			// A comment of one line holds its newline.
			if bytes.HasSuffix(t.Bytes, []byte{'\n'}) {
				t.Type, t.Bytes = hclsyntax.TokenNewline, []byte{'\n'}
				s.tokens = append(s.tokens, t)
			}
			continue
		}
		s.tokens = append(s.tokens, t)
	}
	return s
}

// whole looks for what makes the rest of the file wrong: it is another
// language, holds the marks of a merge, or something that is opened in it is
// not closed.
func (s *syntax) whole() *hcl.Diagnostic {
	if d := s.otherLanguage(); d != nil {
		return d
	}
	for i, t := range s.tokens {
		switch t.Type {
		case hclsyntax.TokenQuotedNewline:
			return s.openString(i)
		case hclsyntax.TokenOHeredoc:
			if !s.heredocCloses(i) {
				word := strings.Trim(string(t.Bytes), "<-~ \r\n")
				return Problem(t.Range, "the text that starts here is not terminated", "put "+word+" alone on the line after it")
			}
		default:
		}
	}
	return s.brackets()
}

func (s *syntax) otherLanguage() *hcl.Diagnostic {
	for offset := 0; offset < len(s.src); {
		end := bytes.IndexByte(s.src[offset:], '\n')
		if end < 0 {
			end = len(s.src) - offset
		}
		line := s.src[offset : offset+end]
		for _, mark := range []string{"<<<<<<< ", ">>>>>>> "} {
			if bytes.HasPrefix(line, []byte(mark)) {
				rng := RangeAt(s.path, s.src, offset)
				rng.End.Byte, rng.End.Column = offset+7, 8
				return Problem(rng, "this is a conflict marker of a merge", "keep one of the two sides, and remove the lines that start with <<<<<<<, ======= and >>>>>>>")
			}
		}
		offset += end + 1
	}
	first := 0
	for first < len(s.tokens) && s.tokens[first].Type == hclsyntax.TokenNewline {
		first++
	}
	if first == len(s.tokens) {
		return nil
	}
	const ours = `a spec is written as: app "NAME" { … }`
	switch t := s.tokens[first]; t.Type {
	case hclsyntax.TokenOBrace:
		return Problem(t.Range, "this is JSON, and the file's name says HCL", "name the file *.hcl.json")
	case hclsyntax.TokenOBrack:
		return Problem(t.Range, "this is not HCL: a file that starts with [ is INI or TOML", ours)
	case hclsyntax.TokenMinus:
		return Problem(t.Range, "this is not HCL: a file that starts with - is YAML", ours)
	case hclsyntax.TokenLessThan:
		return Problem(t.Range, "this is not HCL: a file that starts with < is XML", ours)
	case hclsyntax.TokenIdent:
		if next := s.at(first + 1); next.Type == hclsyntax.TokenColon && s.at(first+2).Type == hclsyntax.TokenNewline {
			return Problem(t.Range, "this is not HCL: a name, a colon and nothing is YAML", ours)
		}
	default:
	}
	return nil
}

// at is a token; past the end it is the end of the file.
func (s *syntax) at(i int) hclsyntax.Token {
	if i >= 0 && i < len(s.tokens) {
		return s.tokens[i]
	}
	return hclsyntax.Token{Type: hclsyntax.TokenEOF}
}

// openString explains the string that a newline cuts, token i.
func (s *syntax) openString(i int) *hcl.Diagnostic {
	var open []int
	start := i
	for start > 0 && s.tokens[start-1].Range.Start.Line == s.tokens[i].Range.Start.Line {
		start--
	}
	for n := start; n < i; n++ {
		switch s.tokens[n].Type {
		case hclsyntax.TokenOQuote, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			open = append(open, n)
		case hclsyntax.TokenCQuote, hclsyntax.TokenTemplateSeqEnd:
			open = open[:max(len(open)-1, 0)]
		default:
		}
	}
	for _, n := range open {
		if s.tokens[n].Type != hclsyntax.TokenOQuote {
			return s.unclosed(n)
		}
	}
	if len(open) == 0 {
		return Problem(s.tokens[i].Range, "a string in quotes ends on its line", `close it with ", and write \n for a new line`)
	}
	t := s.tokens[open[0]]
	instead := `write " where it ends`
	if line := s.source(s.lineStart(t.Range.Start.Byte), s.tokens[i].Range.Start.Byte); line != "…" {
		instead = "write: " + strings.TrimSpace(line) + `"`
	}
	return Problem(t.Range, "the string that starts here has no closing quote", instead)
}

func (s *syntax) heredocCloses(i int) bool {
	for _, t := range s.tokens[i+1:] {
		switch t.Type {
		case hclsyntax.TokenCHeredoc:
			return true
		case hclsyntax.TokenOHeredoc:
			return false
		default:
		}
	}
	return false
}

// source is text of the file; "…" where a secret is in it.
func (s *syntax) source(from, to int) string {
	from, to = max(from, 0), min(to, len(s.src))
	if from >= to {
		return ""
	}
	if Meets(s.masks, from, to) {
		return "…"
	}
	return string(s.src[from:to])
}

func (s *syntax) lineStart(offset int) int { return bytes.LastIndexByte(s.src[:offset], '\n') + 1 }

// brackets looks for the first bracket that has no partner.
func (s *syntax) brackets() *hcl.Diagnostic {
	var open []int
	var suspect *hcl.Diagnostic
	for i, t := range s.tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			open = append(open, i)
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd:
			if len(open) == 0 {
				return Problem(t.Range, "this "+string(t.Bytes)+" has no opening bracket", "remove it")
			}
			o := s.tokens[open[len(open)-1]]
			if partner(o.Type) != t.Type {
				return s.unclosed(open[len(open)-1])
			}
			// A block whose brace stands at another column than the block's line was
			// probably closed by the brace of the block around it.
			if suspect == nil && o.Type == hclsyntax.TokenOBrace && o.Range.Start.Line != t.Range.Start.Line && s.firstOfLine(i) &&
				s.indent(o.Range.Start.Byte) > s.indent(t.Range.Start.Byte) {
				suspect = s.unclosed(open[len(open)-1])
			}
			open = open[:len(open)-1]
		default:
		}
	}
	switch {
	case len(open) == 0:
		return nil
	case suspect != nil:
		return suspect
	default:
		return s.unclosed(open[len(open)-1])
	}
}

func partner(t hclsyntax.TokenType) hclsyntax.TokenType {
	switch t {
	case hclsyntax.TokenOBrace:
		return hclsyntax.TokenCBrace
	case hclsyntax.TokenOBrack:
		return hclsyntax.TokenCBrack
	case hclsyntax.TokenOParen:
		return hclsyntax.TokenCParen
	default:
		return hclsyntax.TokenTemplateSeqEnd
	}
}

// firstOfLine tells whether nothing stands before a token on its line.
func (s *syntax) firstOfLine(i int) bool {
	return i == 0 || s.tokens[i-1].Type == hclsyntax.TokenNewline
}

// indent is the indentation of the line of a byte.
func (s *syntax) indent(offset int) int {
	start := s.lineStart(offset)
	n := 0
	for start+n < len(s.src) && (s.src[start+n] == ' ' || s.src[start+n] == '\t') {
		n++
	}
	return n
}

// unclosed says that a bracket has no partner.
func (s *syntax) unclosed(i int) *hcl.Diagnostic {
	t := s.tokens[i]
	closer := map[hclsyntax.TokenType]string{
		hclsyntax.TokenOBrace: "}", hclsyntax.TokenOBrack: "]", hclsyntax.TokenOParen: ")",
	}[t.Type]
	if closer == "" {
		return unclosedMark(&t)
	}
	name := ""
	if t.Type == hclsyntax.TokenOBrace {
		if head := s.source(s.lineStart(t.Range.Start.Byte), t.Range.Start.Byte); !strings.ContainsAny(head, "=") {
			name = strings.TrimSpace(head)
		}
	}
	if name != "" {
		return Problem(t.Range, "the block "+name+" is not closed", "write } on a line of its own where it ends")
	}
	return Problem(t.Range, "this "+string(t.Bytes)+" is not closed", "write "+closer+" where it ends")
}
