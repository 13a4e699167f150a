package explain

import (
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// noEquals: user "blog", and a block whose { is on the next line.
func (l *sourceLine) noEquals() *hcl.Diagnostic {
	if l.kind(0) != hclsyntax.TokenIdent {
		return nil
	}
	name := l.name()
	next := l.at(l.to)
	for i := l.to; next.Type == hclsyntax.TokenNewline; i++ {
		next = l.at(i)
	}
	onlyLabels := true
	for n := 1; n < l.len(); n++ {
		switch l.kind(n) {
		case hclsyntax.TokenOQuote, hclsyntax.TokenQuotedLit, hclsyntax.TokenCQuote, hclsyntax.TokenIdent, hclsyntax.TokenNumberLit:
		default:
			onlyLabels = false
		}
	}
	if !onlyLabels {
		return nil
	}
	if next.Type == hclsyntax.TokenOBrace {
		return Problem(next.Range, "the { of a block must be on the line of its name", "write: "+l.rest(0)+" {")
	}
	isBlock := name == "app" || name == "defaults" || name == "locals"
	for i := range appspec.Blocks() {
		isBlock = isBlock || appspec.Blocks()[i].Name() == name
	}
	switch {
	case isBlock:
		return Problem(l.rng(0, l.len()-1), "the block "+name+" has no body", "write: "+l.rest(0)+" { … }")
	case l.len() == 1:
		return Problem(l.token(0).Range, appspec.Quote(name)+" is incomplete", "write an attribute as NAME = VALUE, a block as NAME { … }")
	case peerOf()[strings.ToLower(name)] != nil && peerOf()[strings.ToLower(name)].home == "":
		return Problem(l.rng(0, l.len()-1), "there is no "+name+" here", peerOf()[strings.ToLower(name)].say)
	default:
		return Problem(l.rng(0, l.len()-1), "between name and value there must be =", "write: "+name+" = "+l.quoted(name, l.rest(1), 1))
	}
}

// noValue: user =.
func (l *sourceLine) noValue() *hcl.Diagnostic {
	if l.isAttribute() && l.len() == 2 {
		instead := "write a value after the =, or remove the line"
		for i := range appspec.Attributes() {
			if a := &appspec.Attributes()[i]; a.Name() == l.name() {
				instead = "write: " + a.Written() + ", or remove the line"
				break
			}
		}
		return Problem(l.rng(0, 1), l.name()+" has no value", instead)
	}
	for n := 0; n+2 < l.len(); n++ {
		if k := l.kind(n + 2); l.kind(n) == hclsyntax.TokenIdent && l.kind(n+1) == hclsyntax.TokenEqual && (k == hclsyntax.TokenCBrace || k == hclsyntax.TokenComma) {
			return Problem(l.rng(n, n+1), string(l.token(n).Bytes)+" has no value", "write a value after the =, or remove the name")
		}
	}
	return nil
}

// comment: -- the user.
func (l *sourceLine) comment() *hcl.Diagnostic {
	for n := 0; n+1 < l.len(); n++ {
		a, b := l.token(n), l.token(n+1)
		if a.Type == hclsyntax.TokenMinus && b.Type == hclsyntax.TokenMinus && a.Range.End.Byte == b.Range.Start.Byte {
			return Problem(l.rng(n, n+1), "-- is not a comment", "a comment starts with # or //")
		}
	}
	return nil
}

// unit: 60s, 512MiB.
func (l *sourceLine) unit() *hcl.Diagnostic {
	for n := 1; n+1 < l.len(); n++ {
		if l.kind(n-1) != hclsyntax.TokenEqual || l.kind(n) != hclsyntax.TokenNumberLit {
			continue
		}
		m := n
		for m+1 < l.len() && l.token(m).Range.End.Byte == l.token(m+1).Range.Start.Byte && (l.kind(m+1) == hclsyntax.TokenIdent || l.kind(m+1) == hclsyntax.TokenNumberLit) {
			m++
		}
		if m == n && l.kind(m+1) == hclsyntax.TokenIdent && l.kind(m+2) != hclsyntax.TokenEqual { // 60 s
			m++
		}
		if m == n || l.kind(m) != hclsyntax.TokenIdent {
			continue
		}
		text := l.source(l.token(n).Range.Start.Byte, l.token(m).Range.End.Byte)
		return Problem(l.rng(n, m), "a value with a unit is written in quotes", "write: "+string(l.token(n-2).Bytes)+" = "+appspec.Quote(strings.ReplaceAll(text, " ", "")))
	}
	return nil
}

// unquoted: path = /srv/blog.
func (l *sourceLine) unquoted() *hcl.Diagnostic {
	if !l.isAttribute() || l.len() < 3 {
		return nil
	}
	for n := 2; n < l.len(); n++ {
		switch l.kind(n) {
		case hclsyntax.TokenOQuote, hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOHeredoc, hclsyntax.TokenOParen, hclsyntax.TokenEqual,
			hclsyntax.TokenCBrace, hclsyntax.TokenComma, hclsyntax.TokenSemicolon:
			return nil
		default:
		}
	}
	if !isText(l.name()) {
		return nil
	}
	return Problem(l.rng(2, l.len()-1), "the value of "+l.name()+" is not in quotes", "write: "+l.name()+" = "+appspec.Quote(l.rest(2)))
}

// twoAttributes: user = "blog" group = "blog".
func (l *sourceLine) twoAttributes() *hcl.Diagnostic {
	if !l.isAttribute() {
		return nil
	}
	end := l.valueEnd(2)
	second := end
	for l.kind(second) == hclsyntax.TokenComma || l.kind(second) == hclsyntax.TokenSemicolon {
		second++
	}
	if end == 2 || l.kind(second) != hclsyntax.TokenIdent || l.kind(second+1) != hclsyntax.TokenEqual && l.kind(second+1) != hclsyntax.TokenOBrace {
		return nil
	}
	what := "attribute " + string(l.token(second).Bytes)
	if l.kind(second+1) == hclsyntax.TokenOBrace {
		what = "block " + string(l.token(second).Bytes)
	}
	first := l.source(l.token(0).Range.Start.Byte, l.token(end-1).Range.End.Byte)
	return Problem(l.rng(second, second), "the "+what+" is on the line of another attribute", "write each on its own line:\n"+first+"\n"+l.rest(second))
}

// lineEnd: user = "blog", and user = "blog";.
func (l *sourceLine) lineEnd() *hcl.Diagnostic {
	last := l.len() - 1
	t := l.token(last)
	if t.Type != hclsyntax.TokenComma && t.Type != hclsyntax.TokenSemicolon || last < 1 {
		return nil
	}
	if l.isAttribute() || l.kind(last-1) == hclsyntax.TokenCBrace {
		return Problem(t.Range, "an attribute ends with its line, not with "+string(t.Bytes), "remove the "+string(t.Bytes))
	}
	return nil
}

// beginsBlock tells whether the line begins with the name of a block and its {.
func (l *sourceLine) beginsBlock() bool {
	for n := range l.len() {
		switch l.kind(n) {
		case hclsyntax.TokenOBrace:
			return n > 0 && l.kind(0) == hclsyntax.TokenIdent
		case hclsyntax.TokenEqual, hclsyntax.TokenColon, hclsyntax.TokenOBrack, hclsyntax.TokenOParen:
			return false
		default:
		}
	}
	return false
}

// missingComma: ["a" "b"], { A = 1 B = 2 }.
func (l *sourceLine) missingComma() *hcl.Diagnostic {
	if l.beginsBlock() {
		return nil
	}
	depth := 0
	for n := range l.len() {
		switch l.kind(n) {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen:
			depth++
			continue
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen:
			depth--
		default:
		}
		if depth > 0 && l.endsValue(n) && l.startsValue(n+1) {
			return Problem(l.token(n+1).Range, "a comma is missing before this", "write a comma between two items")
		}
	}
	return nil
}

func (l *sourceLine) endsValue(n int) bool {
	switch l.kind(n) {
	case hclsyntax.TokenCQuote, hclsyntax.TokenNumberLit, hclsyntax.TokenIdent, hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen:
		return true
	default:
	}
	return false
}

func (l *sourceLine) startsValue(n int) bool {
	switch l.kind(n) {
	case hclsyntax.TokenOQuote, hclsyntax.TokenNumberLit, hclsyntax.TokenOBrace:
		return true
	case hclsyntax.TokenIdent:
		return l.kind(n-1) != hclsyntax.TokenIdent
	default:
	}
	return false
}

// twice: the same name again in the same block.
func (l *sourceLine) twice() *hcl.Diagnostic {
	if !l.isAttribute() {
		return nil
	}
	depth := 0
	for i := l.from - 1; i >= 0; i-- {
		switch t := l.tokens[i]; t.Type {
		case hclsyntax.TokenCBrace:
			depth++
		case hclsyntax.TokenOBrace:
			if depth--; depth < 0 {
				return nil
			}
		case hclsyntax.TokenIdent:
			if depth == 0 && string(t.Bytes) == l.name() && l.at(i+1).Type == hclsyntax.TokenEqual {
				return Problem(l.token(0).Range, l.name()+" is set twice", "the first is on line "+strconv.Itoa(t.Range.Start.Line)+": remove one")
			}
		default:
		}
	}
	return nil
}

// trailing: password = "a" "b".
func (l *sourceLine) trailing() *hcl.Diagnostic {
	if !l.isAttribute() {
		return nil
	}
	depth := 0
	for n := 2; n < l.len(); n++ {
		switch l.kind(n) {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote, hclsyntax.TokenTemplateInterp:
			depth++
			continue
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenTemplateSeqEnd:
			depth--
		default:
		}
		if depth == 0 && l.endsValue(n) && n+1 < l.len() {
			switch l.kind(n + 1) {
			case hclsyntax.TokenOQuote, hclsyntax.TokenNumberLit, hclsyntax.TokenIdent:
				return Problem(l.rng(n+1, l.len()-1), "the line goes on after the value of "+l.name(), "remove the rest, or make it one value: text in one pair of quotes, a list in [ ]")
			default:
			}
		}
	}
	return nil
}
