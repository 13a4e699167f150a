package explain

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// near looks at the line of a place for one of the mistakes we know. Nil where
// none fits: then the parser's own words have to do.
func (s *syntax) near(pos hcl.Pos) *hcl.Diagnostic {
	from, to := s.lineOf(pos)
	if from == to {
		return nil
	}
	l := &sourceLine{syntax: s, from: from, to: to}
	for _, rule := range []func() *hcl.Diagnostic{
		l.quotes, l.escape, l.quotedName, l.colon, l.equalsBeforeBlock, l.oneLineBlock, l.noEquals,
		l.noValue, l.comment, l.unit, l.unquoted, l.twoAttributes, l.lineEnd, l.missingComma, l.trailing, l.twice,
	} {
		if d := rule(); d != nil {
			return d
		}
	}
	return nil
}

// lineOf finds the tokens of the line of a place.
func (s *syntax) lineOf(pos hcl.Pos) (from, to int) {
	for to < len(s.tokens) {
		t := s.tokens[to]
		if t.Range.Start.Line > pos.Line || t.Type == hclsyntax.TokenEOF {
			break
		}
		to++
		if t.Range.Start.Line < pos.Line {
			from = to
		}
	}
	// The newline is no part of the line.
	for to > from && s.tokens[to-1].Type == hclsyntax.TokenNewline {
		to--
	}
	return from, to
}

// sourceLine is the line at which a parser stopped.
type sourceLine struct {
	*syntax
	from, to int
}

// kind is the type of the n-th token of the line.
func (l *sourceLine) kind(n int) hclsyntax.TokenType {
	if l.from+n >= l.to {
		return hclsyntax.TokenNewline
	}
	return l.tokens[l.from+n].Type
}

func (l *sourceLine) token(n int) hclsyntax.Token { return l.at(l.from + n) }

func (l *sourceLine) len() int { return l.to - l.from }

// rest is the source from the n-th token to the end of the line.
func (l *sourceLine) rest(n int) string {
	if n >= l.len() {
		return ""
	}
	return strings.TrimRight(l.source(l.token(n).Range.Start.Byte, l.tokens[l.to-1].Range.End.Byte), " ;,\t\r")
}

// rng is from the n-th to the m-th token, both included.
func (l *sourceLine) rng(n, m int) hcl.Range {
	return hcl.RangeBetween(l.token(n).Range, l.token(min(m, l.len()-1)).Range)
}

// isAttribute tells whether the line starts as an attribute does.
func (l *sourceLine) isAttribute() bool {
	return l.kind(0) == hclsyntax.TokenIdent && l.kind(1) == hclsyntax.TokenEqual
}

func (l *sourceLine) name() string { return string(l.token(0).Bytes) }

// quotes: 'text' and “text”.
func (l *sourceLine) quotes() *hcl.Diagnostic {
	for n := range l.len() {
		t := l.token(n)
		text := string(t.Bytes)
		if t.Type == hclsyntax.TokenApostrophe || strings.ContainsAny(text, "“”„‟«»‘’") && t.Type != hclsyntax.TokenQuotedLit && t.Type != hclsyntax.TokenStringLit {
			line := l.rest(0)
			fixed := strings.NewReplacer("'", `"`, "“", `"`, "”", `"`, "„", `"`, "‟", `"`, "«", `"`, "»", `"`, "‘", `"`, "’", `"`).Replace(line)
			return Problem(t.Range, "text must be in straight double quotes", "write: "+fixed)
		}
	}
	return nil
}

// escape: "C:\srv".
func (l *sourceLine) escape() *hcl.Diagnostic {
	for n := range l.len() {
		t := l.token(n)
		if t.Type != hclsyntax.TokenQuotedLit {
			continue
		}
		for i := 0; i+1 < len(t.Bytes); i++ {
			if t.Bytes[i] != '\\' {
				continue
			}
			if i++; strings.IndexByte(`nrt"\uU`, t.Bytes[i]) >= 0 {
				continue
			}
			rng := t.Range
			rng.Start.Byte += i - 1
			rng.Start.Column += len([]rune(string(t.Bytes[:i-1])))
			rng.End = rng.Start
			rng.End.Byte += 2
			rng.End.Column += 2
			return Problem(rng, `a \ in a string must start one of \n \r \t \" \\ \uNNNN`, `write \\ for a \ itself`)
		}
	}
	return nil
}

// quotedName: "user" = "blog".
func (l *sourceLine) quotedName() *hcl.Diagnostic {
	if l.kind(0) == hclsyntax.TokenOQuote && l.kind(1) == hclsyntax.TokenQuotedLit && l.kind(2) == hclsyntax.TokenCQuote &&
		(l.kind(3) == hclsyntax.TokenEqual || l.kind(3) == hclsyntax.TokenColon) {
		return Problem(l.rng(0, 2), "the name of an attribute is written without quotes", "write: "+string(l.token(1).Bytes)+" = "+l.rest(4))
	}
	return nil
}

// colon: user: "blog" and workers: {.
func (l *sourceLine) colon() *hcl.Diagnostic {
	if l.kind(0) != hclsyntax.TokenIdent || l.kind(1) != hclsyntax.TokenColon {
		return nil
	}
	name := l.name()
	if l.kind(2) == hclsyntax.TokenOBrace {
		return Problem(l.token(1).Range, "there is no : before a block", "write: "+name+" {")
	}
	value := l.rest(2)
	if value == "" {
		value = "…"
	}
	if hint := PeerHint(name, value, TopOfFile); hint != "" && !known(name) {
		return Problem(l.token(1).Range, "between name and value there must be =, not :, and "+name+" is not a name of a spec", hint)
	}
	return Problem(l.token(1).Range, "between name and value there must be =, not :", "write: "+name+" = "+l.quoted(name, value, 2))
}

// quoted is a value, in quotes where it is bare text.
func (l *sourceLine) quoted(name, value string, n int) string {
	if value == "…" {
		return value
	}
	switch l.kind(n) {
	case hclsyntax.TokenOQuote, hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOHeredoc:
		return value
	case hclsyntax.TokenNumberLit:
		if l.len() == n+1 && !isText(name) {
			return value
		}
	case hclsyntax.TokenIdent:
		if value == "true" || value == "false" || value == "null" || strings.Contains(value, "(") || strings.HasPrefix(value, "local.") {
			return value
		}
	default:
	}
	return appspec.Quote(value)
}

// isText tells whether an attribute of this name, wherever it stands, is
// written as a string.
func isText(name string) bool {
	for i := range appspec.Attributes() {
		if a := &appspec.Attributes()[i]; a.Name() == name {
			switch a.Type {
			case appspec.TypeString, appspec.TypeDuration, appspec.TypeMode, appspec.TypeSize:
				return true
			default:
			}
		}
	}
	return false
}

// equalsBeforeBlock: app "blog" = {.
func (l *sourceLine) equalsBeforeBlock() *hcl.Diagnostic {
	n := 0
	for n < l.len() && l.kind(n) != hclsyntax.TokenEqual {
		n++
	}
	if n < 2 || n == l.len() || l.kind(n+1) != hclsyntax.TokenOBrace || l.kind(0) != hclsyntax.TokenIdent {
		return nil
	}
	head := l.source(l.token(0).Range.Start.Byte, l.token(n-1).Range.End.Byte)
	return Problem(l.token(n).Range, "there is no = before a block", "write: "+head+" {")
}

// oneLineBlock: workers { count = 2  threads = 4 }.
func (l *sourceLine) oneLineBlock() *hcl.Diagnostic {
	open := -1
	for n := range l.len() {
		if k := l.kind(n); k == hclsyntax.TokenEqual || k == hclsyntax.TokenColon {
			break
		} else if k == hclsyntax.TokenOBrace {
			open = n
			break
		}
	}
	if open < 1 || l.kind(0) != hclsyntax.TokenIdent || open+1 >= l.len() {
		return nil
	}
	items, end := l.items(open+1, 1)
	if end < 0 || len(items) == 0 {
		return nil
	}
	head := l.source(l.token(0).Range.Start.Byte, l.token(open).Range.End.Byte)
	return Problem(l.rng(open+1, end-1), "a block on one line holds one attribute and nothing else", "write:\n"+head+"\n"+strings.Join(items, "\n")+"\n}")
}

// items writes what stands in the braces of a block on one line, from token n
// on, on lines of their own. end is the closing brace; -1 where there is none.
func (l *sourceLine) items(n, depth int) (items []string, end int) {
	pad := strings.Repeat("  ", depth)
	for n < l.len() {
		switch {
		case l.kind(n) == hclsyntax.TokenCBrace:
			return items, n
		case l.kind(n) == hclsyntax.TokenComma || l.kind(n) == hclsyntax.TokenSemicolon:
			n++
		case l.kind(n) == hclsyntax.TokenIdent && (l.kind(n+1) == hclsyntax.TokenEqual || l.kind(n+1) == hclsyntax.TokenColon):
			stop := l.valueEnd(n + 2)
			if stop == n+2 {
				return nil, -1
			}
			value := l.source(l.token(n+2).Range.Start.Byte, l.token(stop-1).Range.End.Byte)
			items = append(items, pad+string(l.token(n).Bytes)+" = "+value)
			n = stop
		case l.kind(n) == hclsyntax.TokenIdent && l.kind(n+1) == hclsyntax.TokenOBrace && depth < 4:
			inner, stop := l.items(n+2, depth+1)
			if stop < 0 {
				return nil, -1
			}
			items = append(items, pad+string(l.token(n).Bytes)+" {")
			items = append(items, inner...)
			items = append(items, pad+"}")
			n = stop + 1
		default:
			return nil, -1
		}
	}
	return nil, -1
}

// valueEnd is where the value that starts at token n ends: before a separator,
// a closing bracket, or the next NAME =.
func (l *sourceLine) valueEnd(n int) int {
	depth := 0
	for ; n < l.len(); n++ {
		switch l.kind(n) {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote, hclsyntax.TokenTemplateInterp:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenTemplateSeqEnd:
			if depth == 0 {
				return n
			}
			depth--
		case hclsyntax.TokenComma, hclsyntax.TokenSemicolon:
			if depth == 0 {
				return n
			}
		case hclsyntax.TokenIdent:
			if k := l.kind(n + 1); depth == 0 && (k == hclsyntax.TokenEqual || k == hclsyntax.TokenOBrace) {
				return n
			}
		default:
		}
	}
	return n
}

// known tells whether an attribute or a block has the name, wherever.
func known(name string) bool {
	for i := range appspec.Attributes() {
		if appspec.Attributes()[i].Name() == name {
			return true
		}
	}
	for i := range appspec.Blocks() {
		if appspec.Blocks()[i].Name() == name {
			return true
		}
	}
	return false
}
