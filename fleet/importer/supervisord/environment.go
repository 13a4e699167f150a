package supervisord

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// pairs reads environment= as supervisord does, by the tokens of Python's
// shlex: a sign that is neither of a word nor in quotes ends the value, and what
// follows the next sign is looked at as if nothing had been. The third is that sign.
func pairs(text string) ([][3]string, error) {
	tokens, err := shlexTokens(text)
	if err != nil {
		return nil, err
	}
	var out [][3]string
	for i := 0; i < len(tokens); i += 4 {
		if i+3 > len(tokens) {
			return nil, errors.New("it ends in the middle of KEY=VALUE: supervisord does not start with it")
		}
		if tokens[i+1] != "=" {
			return nil, fmt.Errorf("%s has no value: supervisord does not start with it", tokens[i])
		}
		pair := [3]string{strings.Trim(tokens[i], `'"`), strings.Trim(tokens[i+2], `'"`), ""}
		if i+3 < len(tokens) && tokens[i+3] != "," {
			pair[2] = tokens[i+3]
		}
		out = append(out, pair)
	}
	if strings.Contains(text, "#") && len(out) > 0 && !strings.Contains(strings.Join(tokens, ""), "#") {
		out[len(out)-1][2] = "#"
	}
	return out, nil
}

// shlexTokens are the tokens of Python's shlex, with the word signs that supervisord
// adds.
func shlexTokens(text string) ([]string, error) {
	isWord := func(b byte) bool {
		return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || strings.IndexByte("_/.+-():", b) >= 0
	}
	var out []string
	for i := 0; i < len(text); {
		b := text[i]
		start := i
		switch {
		case strings.IndexByte(" \t\r\n", b) >= 0:
			i++
			continue
		case b == '#':
			for i < len(text) && text[i] != '\n' {
				i++
			}
			continue
		case b == '\'' || b == '"':
			end := strings.IndexByte(text[i+1:], b)
			if end < 0 {
				return nil, errors.New("a quote is not closed, as behind a value that a comment cuts off: supervisord does not start with it")
			}
			i += end + 2
		case isWord(b):
			for i < len(text) && (isWord(text[i]) || text[i] == '\'' || text[i] == '"') {
				i++
			}
		default:
			_, size := utf8.DecodeRuneInString(text[i:])
			i += size
		}
		out = append(out, text[start:i])
	}
	return out, nil
}
