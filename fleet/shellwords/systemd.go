package shellwords

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

const blanks = " \t\n\r"

// ErrQuote is a text that a quote or a backslash leaves without an end.
var ErrQuote = errors.New("a quote or a backslash in it has no end")

// SystemdWord takes the first word off a text, as systemd's units have it (252): quotes
// may begin anywhere, a backslash works in both kinds, and stands for itself before what
// it makes nothing of; where strict, that is an error, as in Environment=. ok is false at
// the end of the text.
func SystemdWord(text string, strict bool) (word, rest string, ok bool, err error) {
	text = strings.TrimLeft(text, blanks)
	if text == "" {
		return "", "", false, nil
	}
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\':
			escaped, n := cEscape(text[i+1:])
			switch {
			case n > 0:
				b.WriteString(escaped)
				i += n
			case strict:
				return "", "", false, ErrQuote
			case i+1 == len(text) && quote != 0:
				return "", "", false, ErrQuote
			case i+1 == len(text):
				b.WriteByte('\\')
			default:
				b.WriteByte('\\')
				b.WriteByte(text[i+1])
				i++
			}
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b.WriteByte(c)
		case c == '"' || c == '\'':
			quote = c
		case strings.IndexByte(blanks, c) >= 0:
			return b.String(), strings.TrimLeft(text[i:], blanks), true, nil
		default:
			b.WriteByte(c)
		}
	}
	if quote != 0 {
		return "", "", false, ErrQuote
	}
	return b.String(), "", true, nil
}

// cEscape is what stands behind a backslash, and how much of the text that takes; 0:
// nothing that C would know, or a NUL.
func cEscape(text string) (string, int) {
	if text == "" {
		return "", 0
	}
	number := func(from, digits, base int) (uint64, bool) {
		if len(text) < from+digits {
			return 0, false
		}
		n, err := strconv.ParseUint(text[from:from+digits], base, 32)
		return n, err == nil && n > 0
	}
	if i := strings.IndexByte(`abfnrtv\"'s`, text[0]); i >= 0 {
		return "\a\b\f\n\r\t\v\\\"' "[i : i+1], 1
	}
	switch text[0] {
	case 'x':
		if n, ok := number(1, 2, 16); ok {
			return string([]byte{byte(n)}), 3
		}
	case 'u':
		if n, ok := number(1, 4, 16); ok {
			return string(rune(n)), 5
		}
	case 'U':
		if n, ok := number(1, 8, 16); ok && n <= utf8.MaxRune {
			return string(rune(n)), 9
		}
	default:
		if n, ok := number(0, 3, 8); ok && n < 256 {
			return string([]byte{byte(n)}), 3
		}
	}
	return "", 0
}

// SystemdVariables puts the variables into the words of a command of a unit: $NAME that
// is a whole word, in quotes too, becomes the words of the value, ${NAME} in a word the
// value as it is, $$ a dollar sign.
func SystemdVariables(words []string, env map[string]string) []string {
	var out []string
	for _, word := range words {
		if name, ok := strings.CutPrefix(word, "$"); ok && (name == "" || name[0] != '{' && name[0] != '$') {
			out = append(out, systemdSplit(env[name])...)
		} else {
			out = append(out, braced(word, env))
		}
	}
	return out
}

// systemdSplit cuts the value of a variable: quotes and backslashes are taken off.
func systemdSplit(text string) []string {
	var words []string
	var b strings.Builder
	quote, in := byte(0), false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\':
			in = true
			if i++; i < len(text) {
				b.WriteByte(text[i])
			}
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b.WriteByte(c)
		case c == '"' || c == '\'':
			quote, in = c, true
		case strings.IndexByte(blanks, c) >= 0:
			if in {
				words, in = append(words, b.String()), false
				b.Reset()
			}
		default:
			b.WriteByte(c)
			in = true
		}
	}
	if in {
		words = append(words, b.String())
	}
	return words
}

// braced fills ${NAME} in a word. What has a colon in it, as a shell's ${NAME:-VALUE}, systemd
// leaves as it is (252; findings/systemd-knows-no-default-of-a-variable.sh).
func braced(word string, env map[string]string) string {
	var b strings.Builder
	for i := 0; i < len(word); i++ {
		switch {
		case strings.HasPrefix(word[i:], "$$"):
			b.WriteByte('$')
			i++
		case strings.HasPrefix(word[i:], "${"):
			end := strings.IndexAny(word[i:], ":}")
			switch {
			case end < 0:
				b.WriteString(word[i:])
				return b.String()
			case word[i+end] == ':':
				b.WriteString(word[i : i+end+1])
			default:
				b.WriteString(env[word[i+2:i+end]])
			}
			i += end
		default:
			b.WriteByte(word[i])
		}
	}
	return b.String()
}
