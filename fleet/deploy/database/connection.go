package database

import (
	"cmp"
	"fmt"
	"net"
	"path"
	"strings"
)

// Engines of the database block.
const (
	PostgreSQL = "postgresql"
	SQLite     = "sqlite"
)

// Connection is what an app needs to reach its database. It holds the password:
// it goes into the files that the app reads and nowhere else.
type Connection struct {
	Engine   string `json:"engine"`
	Name     string `json:"name"` // sqlite: the absolute path of the file
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
	Host     string `json:"host,omitempty"` // a name, an address without brackets, or the folder of a socket
	Port     string `json:"port,omitempty"` // empty for a socket: the usual one, 5432
}

// URL is the DATABASE_URL.
func (c Connection) URL() string {
	if c.Engine == SQLite {
		return "sqlite:///" + encodeFile(c.Name)
	}
	var b strings.Builder
	b.WriteString("postgresql://" + encode(c.User))
	if c.Password != "" {
		b.WriteString(":" + encode(c.Password))
	}
	b.WriteString("@")
	socket := path.IsAbs(c.Host)
	switch {
	case socket:
	case strings.Contains(c.Host, ":"): // an IPv6 address
		b.WriteString("[" + c.Host + "]")
	default:
		b.WriteString(encode(c.Host))
	}
	if !socket && c.Port != "" {
		b.WriteString(":" + c.Port)
	}
	b.WriteString("/" + encode(c.Name))
	if socket {
		b.WriteString("?host=" + encode(c.Host))
		if c.Port != "" {
			b.WriteString("&port=" + c.Port)
		}
	}
	return b.String()
}

// Django is the app's entry of DATABASES.
func (c Connection) Django() map[string]any {
	engine := "django.db.backends.postgresql"
	if c.Engine == SQLite {
		return map[string]any{"ENGINE": "django.db.backends.sqlite3", "NAME": c.Name}
	}
	return map[string]any{"ENGINE": engine, "NAME": c.Name, "USER": c.User, "PASSWORD": c.Password,
		"HOST": c.Host, "PORT": c.Port}
}

// String tells of no password.
func (c Connection) String() string {
	if c.Engine == SQLite {
		return c.Name
	}
	at := net.JoinHostPort(c.Host, c.Port)
	if path.IsAbs(c.Host) {
		at = c.Host + "/.s.PGSQL." + cmp.Or(c.Port, usualPort)
	}
	return c.User + " of " + c.Name + " at " + at
}

// Format keeps the password out of every verb of package fmt.
func (c Connection) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) }

// encode writes all but RFC 3986's unreserved bytes as %XX. net/url leaves some
// of the others as they are, by place, and writes a space as + in a query.
func encode(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		ch := s[i]
		switch {
		case 'a' <= ch && ch <= 'z', 'A' <= ch && ch <= 'Z', '0' <= ch && ch <= '9', strings.IndexByte("-._~", ch) >= 0:
			b.WriteByte(ch)
		default:
			b.Write([]byte{'%', hex[ch>>4], hex[ch&15]})
		}
	}
	return b.String()
}

// encodeFile leaves in the path of a file what every reader takes as it stands, and writes as
// %XX what ends a path or stands for something else to some of them. SQLAlchemy and peewee
// decode no path: to them a file with %20 in its name is meant
// (findings/database-url-path-is-decoded-by-some.sh).
func encodeFile(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if ch := s[i]; ch < ' ' || ch == 0x7f || strings.IndexByte("%?#+", ch) >= 0 {
			b.WriteString(encode(s[i : i+1]))
		} else {
			b.WriteByte(ch)
		}
	}
	return b.String()
}
