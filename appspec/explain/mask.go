package explain

import (
	"bytes"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Span is a piece of a source file, in bytes.
type Span struct{ Start, End int }

// SecretSpans finds what stands in the parentheses of sensitive(…), by bytes
// alone, as the file may be one that cannot be parsed. In doubt it takes more:
// where no closing parenthesis comes, all to the end of the file.
func SecretSpans(src []byte) []Span {
	var spans []Span
	for i := 0; ; {
		at := bytes.IndexByte(src[i:], '(')
		if at < 0 {
			return withLocals(src, append(spans, urlPasswords(src)...))
		}
		at += i
		i = at + 1
		word := bytes.TrimRight(src[max(0, at-64):at], " \t\r\n")
		n := len(word)
		for n > 0 && IsWord(word[n-1]) {
			n--
		}
		if !likeSensitive(word[n:]) {
			continue
		}
		end := closing(src, at)
		if end > at+1 {
			spans = append(spans, Span{at + 1, end})
		}
		i = max(end, i)
	}
}

// urlPasswords finds the passwords in addresses: nobody may write one there, and
// whoever did needs not see it again on a screen or in a log.
func urlPasswords(src []byte) []Span {
	spans := scpPasswords(src)
	for i := 0; ; {
		at := bytes.Index(src[i:], []byte("://"))
		if at < 0 {
			slices.SortFunc(spans, func(a, b Span) int { return a.Start - b.Start })
			return spans
		}
		i += at + len("://")
		end := bytes.IndexAny(src[i:], "\"'` \t\r\n")
		if end < 0 {
			end = len(src) - i
		}
		address := string(src[i : i+end])
		if from, to := appspec.PasswordIn(address); from < to {
			spans = append(spans, Span{i + from, i + to})
		} else if to := strings.IndexAny(address, "@/"); to > 0 && address[to] == '@' && bytes.HasSuffix(src[:i], []byte("https://")) {
			spans = append(spans, Span{i, i + to}) // where git and pip take a token
		}
		if _, query, has := strings.Cut(address, "?"); has && tokenQuery.MatchString(query) {
			spans = append(spans, Span{i + end - len(query), i + end})
		}
	}
}

var tokenQuery = regexp.MustCompile(`(?i)(token|key|secret|passw)[^=&]*=`)

// scpAddress is an address in ssh's short form with a password in it, which that
// form has no place for: "user:password@host:path".
var scpAddress = regexp.MustCompile("[\"'][^\"'\\s/@:]+:([^\"'\\s/@][^\"'\\s]*)@[^\"'\\s/@:]+[:/]")

func scpPasswords(src []byte) []Span {
	var spans []Span
	if bytes.IndexByte(src, '@') < 0 {
		return nil // most files: the pattern costs
	}
	for _, m := range scpAddress.FindAllSubmatchIndex(src, -1) {
		if !bytes.Contains(src[m[0]:m[1]], []byte("://")) {
			spans = append(spans, Span{m[2], m[3]})
		}
	}
	return spans
}

// withoutPasswords writes a text for people.
func withoutPasswords(text string) string {
	spans := urlPasswords([]byte(text))
	for _, s := range slices.Backward(spans) {
		text = text[:s.Start] + appspec.SensitiveText + text[s.End:]
	}
	return text
}

// likeSensitive tells whether a word is sensitive, or that name misspelt: what
// was meant to be a secret is none to show.
func likeSensitive(word []byte) bool {
	const name = "sensitive"
	if len(word) < 5 || len(word) > 13 {
		return false
	}
	return appspec.Edits(string(bytes.ToLower(word)), name, 4) < 4
}

// withLocals adds the lines that define the locals which the spans speak of:
// pw = "…" is as secret as sensitive(local.pw) makes it.
func withLocals(src []byte, spans []Span) []Span {
	const prefix = "local."
	done := make(map[string]bool)
	for _, s := range spans {
		text := src[s.Start:s.End]
		for {
			at := bytes.Index(text, []byte(prefix))
			if at < 0 {
				break
			}
			text = text[at+len(prefix):]
			n := 0
			for n < len(text) && IsWord(text[n]) {
				n++
			}
			if name := string(text[:n]); n > 0 && !done[name] && len(done) < 100 {
				done[name] = true
				spans = append(spans, definitions(src, name)...)
			}
		}
	}
	slices.SortFunc(spans, func(a, b Span) int { return a.Start - b.Start })
	// Two spans never meet but where one holds the other: keep the outer.
	out := spans[:0]
	for _, s := range spans {
		if len(out) > 0 && s.Start < out[len(out)-1].End {
			out[len(out)-1].End = max(out[len(out)-1].End, s.End)
			continue
		}
		out = append(out, s)
	}
	return out
}

// definitions finds the values of NAME = VALUE and "NAME": VALUE, to the end of
// their lines.
func definitions(src []byte, name string) []Span {
	var spans []Span
	for i := 0; ; {
		at := bytes.Index(src[i:], []byte(name))
		if at < 0 {
			return spans
		}
		at += i
		i = at + len(name)
		if at > 0 && (IsWord(src[at-1]) || src[at-1] == '.') {
			continue
		}
		n := i
		for n < len(src) && (src[n] == ' ' || src[n] == '\t' || src[n] == '"') {
			n++
		}
		if n == len(src) || src[n] != '=' && src[n] != ':' {
			continue
		}
		end := len(src)
		if nl := bytes.IndexByte(src[n:], '\n'); nl >= 0 {
			end = n + nl
		}
		for n++; n < end && (src[n] == ' ' || src[n] == '\t'); n++ {
		}
		if value := bytes.TrimRight(src[n:end], " \t\r"); len(value) > 0 {
			spans = append(spans, Span{n, n + len(value)})
		}
	}
}

// Meets tells whether a secret lies within a piece of the source.
func Meets(spans []Span, from, to int) bool {
	n := sort.Search(len(spans), func(n int) bool { return spans[n].End > from })
	return n < len(spans) && spans[n].Start < to
}

// IsWord tells whether a byte may be one of a name.
func IsWord(c byte) bool {
	return c == '_' || c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
}

// closing finds the parenthesis that closes the one at open, and passes over
// those in strings, be they of HCL ("…") or of HCL in JSON (\"…\").
func closing(src []byte, open int) int {
	depth := 0
	for i := open; i < len(src); i++ {
		switch src[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		case '"':
			quote := []byte{'"'}
			if i > 0 && src[i-1] == '\\' {
				quote = []byte{'\\', '"'}
			}
			i = StringEnd(src, i+1, quote)
		}
	}
	return len(src)
}

// StringEnd finds the last byte of a string that starts at i.
func StringEnd(src []byte, i int, quote []byte) int {
	for ; i < len(src); i++ {
		switch {
		case src[i] == '\n':
			return i
		case bytes.HasPrefix(src[i:], quote):
			return i + len(quote) - 1
		case src[i] == '\\':
			i++
		}
	}
	return i
}

// Find returns the span that holds the byte i.
func Find(spans []Span, i int) (Span, bool) {
	n := sort.Search(len(spans), func(n int) bool { return spans[n].End > i })
	if n < len(spans) && spans[n].Start <= i {
		return spans[n], true
	}
	return Span{}, false
}

func stableSort(diags hcl.Diagnostics, less func(a, b *hcl.Diagnostic) bool) {
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		switch {
		case less(a, b):
			return -1
		case less(b, a):
			return 1
		default:
			return 0
		}
	})
}
