package database

import (
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
	Engine   string
	Name     string // sqlite: the absolute path of the file
	User     string
	Password string
	Host     string // a name, an address without brackets, or the folder of a socket
	Port     string // empty for a socket: libpq's default names the socket's file
}

// ParseServer fills in Host and Port from the block's server: unix:/folder or
// host:port.
func (c *Connection) ParseServer(server string) error {
	if folder, ok := strings.CutPrefix(server, "unix:"); ok {
		if !path.IsAbs(folder) {
			return fmt.Errorf("cannot use server %q: the folder of a socket is an absolute path, as unix:/var/run/postgresql", server)
		}
		c.Host, c.Port = path.Clean(folder), ""
		return nil
	}
	host, port, err := net.SplitHostPort(server)
	if err != nil || host == "" || port == "" {
		return fmt.Errorf("cannot use server %q: write unix:/folder or host:port", server)
	}
	c.Host, c.Port = host, port
	return nil
}

// URL is the DATABASE_URL.
func (c Connection) URL() string {
	if c.Engine == SQLite {
		parts := strings.Split(c.Name, "/")
		for i, p := range parts {
			parts[i] = encode(p)
		}
		return "sqlite:///" + strings.Join(parts, "/")
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
	}
	return b.String()
}

// Django is the app's entry of DATABASES.
func (c Connection) Django() map[string]any {
	engine := "django.db.backends.postgresql"
	if c.Engine == SQLite {
		engine = "django.db.backends.sqlite3"
	}
	return map[string]any{"ENGINE": engine, "NAME": c.Name, "USER": c.User, "PASSWORD": c.Password,
		"HOST": c.Host, "PORT": c.Port}
}

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
