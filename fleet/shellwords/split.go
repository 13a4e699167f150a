package shellwords

import (
	"strings"
)

// Shell cuts a command as sh does, as far as quotes and backslashes go: in double quotes
// a backslash is one but before what a shell would do something with. What is not ended
// ends with the text.
func Shell(text string) []string {
	words, _ := split(text, " \t\n", "$`\"\\\n", true)
	return words
}

// Shlex cuts a command as Python's shlex.split does: in double quotes a backslash is one
// but before a quote or another one. What is not ended is an error.
func Shlex(text string) ([]string, error) {
	return split(text, blanks, `"\`, false)
}

// split cuts at signs of sep; in double quotes a backslash goes away before signs of
// escaped. In a shell a backslash before the end of a line joins it to the next one.
func split(text, sep, escaped string, shell bool) (words []string, err error) {
	var word strings.Builder
	quote, in := byte(0), false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'':
			if i+1 == len(text) {
				err = ErrQuote
				word.WriteByte(c)
				in = true
				continue
			}
			i++
			if shell && text[i] == '\n' {
				continue
			}
			if quote == '"' && strings.IndexByte(escaped, text[i]) < 0 {
				word.WriteByte(c)
			}
			word.WriteByte(text[i])
			in = true
		case quote != 0:
			word.WriteByte(c)
		case c == '\'' || c == '"':
			quote, in = c, true
		case strings.IndexByte(sep, c) >= 0:
			if in {
				words = append(words, word.String())
				word.Reset()
				in = false
			}
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if in {
		words = append(words, word.String())
	}
	if quote != 0 {
		err = ErrQuote
	}
	return words, err
}
