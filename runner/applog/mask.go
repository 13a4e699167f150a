package applog

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Masked stands where a secret was.
const Masked = "(sensitive)"

const (
	// leastSecret is how many bytes a secret has at least: of fewer nothing could
	// be hidden without hiding everything.
	leastSecret = 4
	// leastWord is how many a secret has that is hidden inside a longer word too.
	leastWord = 6
	// leastLine is how many a line of a secret has that is hidden on its own.
	leastLine = 8
)

// Mask hides the secrets of an app's specs in what the app says: its exceptions
// and its output may repeat what it was given. It is asked where such words come
// in (masters' status, its reasons) and where the log is written, never for a
// request, and costs nothing where there are no secrets. The zero value hides
// nothing. What the spec tells openly, or everybody knows, is not hidden.
type Mask struct {
	mu     sync.Mutex
	known  map[string]bool          // guarded by mu: secrets, of earlier specs too: an old worker may tell them still
	needle atomic.Pointer[[][]byte] // longest first; nil: nothing to hide
}

// Learn adds the secrets of a spec.
func (m *Mask) Learn(spec *appspec.Spec) {
	secrets := spec.Secrets()
	if len(secrets) == 0 {
		return
	}
	told := spec.Told()
	m.mu.Lock()
	defer m.mu.Unlock()
	var more [][]byte
	for _, s := range secrets {
		if m.known[s] || told[s] || isNoSecret(s) {
			continue
		}
		if m.known == nil {
			m.known = map[string]bool{}
		}
		m.known[s] = true
		more = append(more, needles(s, func(part string) bool { return told[part] || isNoSecret(part) })...)
	}
	if len(more) == 0 {
		return
	}
	if old := m.needle.Load(); old != nil {
		more = append(more, *old...)
	}
	slices.SortFunc(more, func(a, b []byte) int {
		if d := len(b) - len(a); d != 0 {
			return d
		}
		return bytes.Compare(a, b)
	})
	more = slices.CompactFunc(more, bytes.Equal)
	m.needle.Store(&more)
}

// isNoSecret tells of a value that everybody knows, as files of variables have them beside
// secrets: hidden, it would make a log unreadable, in which it stands everywhere.
func isNoSecret(value string) bool {
	return wellKnown[strings.ToLower(value)]
}

var wellKnown = func() map[string]bool {
	all := map[string]bool{}
	for word := range strings.FieldsSeq(`true false none null localhost 127.0.0.1 0.0.0.0 debug info warn warning error critical
		production development staging testing test default postgres postgresql mysql sqlite sqlite3 redis utf-8 utf8 console smtp http https 3306 5432 6379 8000 8080 11211`) {
		all[word] = true
	}
	return all
}()

// Texts are all forms that are hidden.
func (m *Mask) Texts() []string {
	list := m.needle.Load()
	if list == nil {
		return nil
	}
	var all []string
	for _, n := range *list {
		all = append(all, string(n))
	}
	return all
}

// Text hides what is secret in a text.
func (m *Mask) Text(s string) string {
	if m.needle.Load() == nil {
		return s
	}
	return string(m.Bytes([]byte(s)))
}

// Bytes is text for bytes; b itself is not changed.
func (m *Mask) Bytes(b []byte) []byte {
	list := m.needle.Load()
	if list == nil {
		return b
	}
	for _, n := range *list {
		b = hide(b, n)
	}
	return b
}

func hide(b, needle []byte) []byte {
	var out []byte
	from := 0
	for at := 0; ; {
		i := bytes.Index(b[at:], needle)
		if i < 0 {
			break
		}
		i += at
		end := i + len(needle)
		at = end
		if len(needle) < leastWord && (i > 0 && isWordByte(b[i-1]) || end < len(b) && isWordByte(b[end])) {
			at = i + 1
			continue
		}
		out = append(append(out, b[from:i]...), Masked...)
		from = end
	}
	if from == 0 {
		return b
	}
	return append(out, b[from:]...)
}

func isWordByte(c byte) bool {
	return c == '_' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// needles are the forms in which a secret may be repeated: as it is, as Python's
// repr and JSON write it, in a URL, in base64 at any place of a longer text, each
// of its lines, and the password of a URL; of these none that is open.
func needles(secret string, open func(part string) bool) [][]byte {
	secret = strings.Trim(secret, "\r\n")
	var all [][]byte
	add := func(s string) {
		if len(s) >= leastSecret {
			all = append(all, []byte(s))
		}
	}
	forms := func(s string) {
		if len(s) < leastSecret {
			return
		}
		add(s)
		add(url.QueryEscape(s))
		add(url.PathEscape(s))
		add(strings.ReplaceAll(url.QueryEscape(s), "+", "%20"))
		for _, ascii := range []bool{false, true} {
			add(pythonRepr(s, '\'', ascii))
			add(pythonRepr(s, '"', ascii))
		}
		if b, err := json.Marshal(s); err == nil {
			add(string(b[1 : len(b)-1]))
		}
		if b, err := marshalPlain(s); err == nil {
			add(b)
		}
		if len(s) < leastLine {
			return
		}
		for shift := range 3 {
			// Only what does not depend on the bytes around it.
			raw := append(make([]byte, shift), s...)
			from, to := (shift*8+5)/6, len(raw)*8/6
			std := base64.RawStdEncoding.EncodeToString(raw)[from:to]
			add(std)
			add(strings.NewReplacer("+", "-", "/", "_").Replace(std))
		}
	}
	forms(secret)
	if lines := strings.Split(secret, "\n"); len(lines) > 1 {
		for _, l := range lines {
			if l = strings.TrimSpace(l); len(l) >= leastLine && !open(l) {
				forms(l)
			}
		}
	}
	if u, err := url.Parse(secret); err == nil && u.User != nil {
		if password, ok := u.User.Password(); ok && !open(password) {
			forms(password)
		}
	}
	return all
}

// marshalPlain is JSON that leaves <, > and & alone, and writes other letters as
// Python's json does.
func marshalPlain(s string) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return "", err
	}
	text := strings.Trim(b.String(), "\n")
	quoted := strconv.QuoteToASCII(text[1 : len(text)-1])
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(quoted[1 : len(quoted)-1]), nil
}

// pythonRepr is what stands in the quotes of repr(s), or ascii(s).
func pythonRepr(s string, quote byte, ascii bool) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\\' || r == rune(quote):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f || ascii && r >= 0x80 && r < 0x100:
			b.WriteString(`\x`)
			b.WriteByte(hexDigits[r>>4])
			b.WriteByte(hexDigits[r&15])
		case ascii && r >= 0x100 && r < 0x10000:
			b.WriteString(`\u` + strconv.FormatInt(int64(r)+0x10000, 16)[1:])
		case ascii && r >= 0x10000:
			b.WriteString(`\U` + strconv.FormatInt(int64(r)+0x100000000, 16)[1:])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
