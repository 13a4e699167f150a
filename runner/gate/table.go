package gate

import (
	"net/netip"
	"strings"
)

// Table tells which app a host name belongs to. It is not changed once it is made.
type Table struct {
	exact   map[string]string
	wild    map[string]string // by what follows the first label and its dot
	Default string            // the app of all other names; empty: they are nobody's
}

// NewTable makes a table of the names of each app, in the form of canonical, a
// wildcard as "*.example.org".
func NewTable(names map[string]string, defaultApp string) *Table {
	t := &Table{exact: map[string]string{}, wild: map[string]string{}, Default: defaultApp}
	for name, app := range names {
		if rest, ok := strings.CutPrefix(name, "*."); ok {
			t.wild[rest] = app
		} else {
			t.exact[name] = app
		}
	}
	return t
}

// Lookup finds the app of a host as a client sends it, in a Host header or as its
// server name: exact before wildcard, which stands for one label, before the default
// app. Empty: no app has it.
func (t *Table) Lookup(host []byte) string {
	name, ok := canonical(host)
	if !ok {
		return t.Default
	}
	if app := t.exact[name]; app != "" {
		return app
	}
	if _, rest, ok := strings.Cut(name, "."); ok {
		if app := t.wild[rest]; app != "" {
			return app
		}
	}
	return t.Default
}

// canonical is a host without its port and without the dot at its end, in small
// letters; an IP address in its shortest form, an IPv6 one in brackets. False: it
// names nothing.
func canonical(host []byte) (string, bool) {
	b := host
	if len(b) > 0 && b[0] == '[' {
		end := strings.IndexByte(string(b), ']')
		if end < 0 || !goodPort(b[end+1:]) {
			return "", false
		}
		a, err := netip.ParseAddr(string(b[1:end]))
		if err != nil || a.Zone() != "" || !a.Is6() {
			return "", false
		}
		return "[" + a.String() + "]", true
	}
	for i, c := range b {
		if c == ':' {
			if !goodPort(b[i:]) {
				return "", false
			}
			b = b[:i]
			break
		}
	}
	if n := len(b); n > 0 && b[n-1] == '.' {
		b = b[:n-1]
	}
	if len(b) == 0 || len(b) > 253 {
		return "", false
	}
	var low [253]byte
	for i, c := range b {
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case c == '.':
			if i == 0 || b[i-1] == '.' {
				return "", false
			}
		default:
			return "", false
		}
		low[i] = c
	}
	if b[len(b)-1] == '.' {
		return "", false
	}
	return string(low[:len(b)]), true
}

// goodPort takes what may follow a host: nothing, or a colon and digits.
func goodPort(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if b[0] != ':' || len(b) > 6 {
		return false
	}
	for _, c := range b[1:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
