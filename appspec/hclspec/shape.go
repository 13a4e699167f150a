package hclspec

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// The parser and the evaluator of HCL call themselves for each nesting and for
// each operator of a chain, keep some 200 bytes for a token, and take the
// square of the time for a number's digits; a stack that is full ends the daemon, which
// nothing can catch. These bounds, far from what a spec
// needs, keep stack, memory and time small for any file.
const (
	maxTokens  = 2_000_000
	maxNesting = 200
	maxChain   = 2_000 // operators of one expression
	maxDigits  = 400   // of one number
	maxControl = 500   // %{ … } of one file
)

var (
	errTokens  = fmt.Errorf("the file has more than %d tokens", maxTokens)
	errNesting = fmt.Errorf("the file has brackets nested deeper than %d", maxNesting)
	errChain   = fmt.Errorf("the file has an expression with more than %d operators", maxChain)
	errDigits  = fmt.Errorf("the file has a number with more than %d digits", maxDigits)
	errControl = fmt.Errorf("the file has more than %d template directives", maxControl)
)

// checkShape refuses files that would take the parser too much.
func checkShape(src []byte) error {
	tokens, nesting, operators, digits := survey(src)
	if tokens > maxTokens {
		return errTokens
	}
	if nesting <= maxNesting && operators <= maxChain && digits <= maxDigits {
		return nil
	}
	// Text and comments count in the survey: look properly.
	list, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos)
	return checkTokens(list)
}

// survey counts in one pass, not knowing text from code: so each number may be
// too large, none too small.
func survey(src []byte) (tokens, nesting, operators, digits int) {
	depth, run := 0, 0
	word := false
	for _, c := range src {
		switch {
		case '0' <= c && c <= '9' || c == '.':
			if run++; run > digits {
				digits = run
			}
		default:
			run = 0
		}
		if explain.IsWord(c) && c != '-' {
			if !word {
				tokens++
			}
			word = true
			continue
		}
		word = false
		switch c {
		case ' ', '\t', '\r':
			continue
		case '{', '[', '(':
			if depth++; depth > nesting {
				nesting = depth
			}
			operators++
		case '}', ']', ')':
			depth = max(depth-1, 0)
		case '+', '-', '*', '/', '%', '!', '?', '&', '|', '=', '<', '>', '.', ':':
			operators++
		}
		tokens++
	}
	return tokens, nesting, operators, digits
}

// checkTokens looks at the brackets and chains of a list of tokens.
func checkTokens(list hclsyntax.Tokens) error {
	chains := []int{0} // by bracket
	control := 0
	var last hclsyntax.TokenType
	for _, t := range list {
		top := len(chains) - 1
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl,
			hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc:
			if t.Type == hclsyntax.TokenTemplateControl {
				if control++; control > maxControl {
					return errControl
				}
			}
			if len(chains) > maxNesting {
				return errNesting
			}
			// A call or an index goes on with the chain it hangs on.
			if (t.Type == hclsyntax.TokenOBrack || t.Type == hclsyntax.TokenOParen) && isValueEnd(last) {
				chains[top]++
			}
			chains = append(chains, 0)
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd,
			hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc:
			if top > 0 {
				chains = chains[:top]
			}
		case hclsyntax.TokenComma, hclsyntax.TokenEqual: // the next item, the next value
			chains[top] = 0
		case hclsyntax.TokenNumberLit:
			if len(t.Bytes) > maxDigits {
				return errDigits
			}
		default:
			if isOperator(t.Type) {
				chains[top]++
			}
		}
		if chains[len(chains)-1] > maxChain {
			return errChain
		}
		last = t.Type
	}
	return nil
}

func isValueEnd(t hclsyntax.TokenType) bool {
	switch t {
	case hclsyntax.TokenIdent, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCBrace, hclsyntax.TokenCQuote, hclsyntax.TokenStar:
		return true
	default:
	}
	return false
}

func isOperator(t hclsyntax.TokenType) bool {
	switch t {
	case hclsyntax.TokenPlus, hclsyntax.TokenMinus, hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPercent, hclsyntax.TokenBang,
		hclsyntax.TokenQuestion, hclsyntax.TokenColon, hclsyntax.TokenAnd, hclsyntax.TokenOr, hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual,
		hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq, hclsyntax.TokenGreaterThan, hclsyntax.TokenGreaterThanEq, hclsyntax.TokenDot:
		return true
	default:
	}
	return false
}
