package appspec

import (
	"bytes"
	"slices"
	"sort"

	"github.com/hashicorp/hcl/v2"
)

// span is a piece of a source file, in bytes.
type span struct{ start, end int }

// secretSpans finds what stands in the parentheses of sensitive(…), by bytes
// alone, as the file may be one that cannot be parsed. In doubt it takes more:
// where no closing parenthesis comes, all to the end of the file.
func secretSpans(src []byte) []span {
	const name = "sensitive"
	var spans []span
	for i := 0; ; {
		at := bytes.Index(src[i:], []byte(name))
		if at < 0 {
			return spans
		}
		at += i
		i = at + len(name)
		if at > 0 && isWord(src[at-1]) {
			continue
		}
		for i < len(src) && (src[i] == ' ' || src[i] == '\t' || src[i] == '\r' || src[i] == '\n') {
			i++
		}
		if i >= len(src) || src[i] != '(' {
			continue
		}
		end := closing(src, i)
		if end > i+1 {
			spans = append(spans, span{i + 1, end})
		}
		i = max(end, i+1)
	}
}

func isWord(c byte) bool {
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
			i = stringEnd(src, i+1, quote)
		}
	}
	return len(src)
}

// stringEnd finds the last byte of a string that starts at i.
func stringEnd(src []byte, i int, quote []byte) int {
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

// find returns the span that holds the byte i.
func find(spans []span, i int) (span, bool) {
	n := sort.Search(len(spans), func(n int) bool { return spans[n].end > i })
	if n < len(spans) && spans[n].start <= i {
		return spans[n], true
	}
	return span{}, false
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
