package child

import (
	"regexp"
	"strings"
	"sync"
	"unicode"
)

// tailSize is how much of a command's output an error holds.
const tailSize = 4 << 10

// Tail keeps the last of what is written to it.
type Tail struct {
	mu  sync.Mutex
	buf []byte
	cut bool // something was dropped
}

func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*tailSize {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-tailSize:]...)
		t.cut = true
	}
	return len(p), nil
}

// String is what was kept: whole lines, without terminal control, without
// credentials.
func (t *Tail) String() string {
	t.mu.Lock()
	b, cut := t.buf, t.cut
	if len(b) > tailSize {
		b, cut = b[len(b)-tailSize:], true
	}
	s := string(b)
	t.mu.Unlock()
	if cut {
		if _, rest, ok := strings.Cut(s, "\n"); ok {
			s = rest
		}
	}
	return strings.TrimSpace(Mask(Printable(s)))
}

// Printable is text without what moves a terminal's cursor or changes its
// colours: the other end of a connection wrote it.
func Printable(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "?"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return '\n'
		case r == '\n', r == '\t':
			return r
		case unicode.IsPrint(r):
			return r
		}
		return '?'
	}, s)
}

var (
	userinfo = regexp.MustCompile(`(://)[^/@\s'"]+@`)
	secret   = regexp.MustCompile(`(?i)((?:authorization|private-token)\s*:|(?:access_token|private_token|password)=)[^\n&'"]+`)
)

// Mask hides what looks like credentials: the part of a URL before the @, and
// headers and parameters that carry tokens. A user name alone is hidden too, for
// it often is the token; ssh's is not.
func Mask(s string) string {
	s = userinfo.ReplaceAllStringFunc(s, func(m string) string {
		if m == "://git@" {
			return m
		}
		return "://***@"
	})
	return secret.ReplaceAllString(s, "$1***")
}
