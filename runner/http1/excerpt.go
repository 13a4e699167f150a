package http1

import (
	"bytes"
	"strconv"
)

// Excerpt is what there is of a request line, quoted and at most 100 bytes of
// it, for a log line about a request that is refused.
func Excerpt(head []byte) string {
	head = bytes.TrimLeft(head, "\r\n")
	if i := bytes.IndexAny(head, "\r\n"); i >= 0 {
		head = head[:i]
	}
	if len(head) > 100 {
		return strconv.Quote(string(head[:100])) + "…"
	}
	return strconv.Quote(string(head))
}
