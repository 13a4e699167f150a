package shellwords

import (
	"strings"
	"unicode/utf8"
)

// Tokens are those of Python's shlex in its own way, which is not that of a shell: words
// of letters, digits, _ and the signs of more, quoted texts with their quotes, and each
// other sign alone. What is not ended is an error.
func Tokens(text, more string) ([]string, error) {
	isWord := func(b byte) bool {
		return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_' || strings.IndexByte(more, b) >= 0
	}
	var out []string
	for i := 0; i < len(text); {
		b := text[i]
		start := i
		switch {
		case strings.IndexByte(blanks, b) >= 0:
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
				return nil, ErrQuote
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
