package console

import (
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Headers by which a proxy in front of the unix socket says that it is the one, and who is at
// its other end.
const (
	secretHeader = "X-Console-Secret" //nolint:gosec // the name of a header
	userHeader   = "X-Forwarded-User"
)

const (
	// minSecret is how many characters the secret of a proxy has at least.
	minSecret = 32
	// maxProxyFile bounds the file that names the roles, in bytes.
	maxProxyFile = 256 << 10
)

// roles is what the file of --console-proxy says.
type roles struct {
	secret             string
	operators, viewers []string // "*": everybody whom the proxy names
}

// readRoles reads the file of --console-proxy. Its errors name file and line.
func readRoles(path string) (*roles, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a named pipe would wait for whoever writes
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, plain(err))
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot read %s: %w", path, plain(err))
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("cannot read %s: it is no file", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("others than its owner may read %s, which has a secret: chmod 0600 %s", path, path)
	case info.Size() > maxProxyFile:
		return nil, fmt.Errorf("cannot read %s: it has more than %d KiB", path, maxProxyFile>>10)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxProxyFile))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, plain(err))
	}
	return parseRoles(path, string(text))
}

func parseRoles(path, text string) (*roles, error) {
	r := &roles{}
	at := 0
	for line := range strings.Lines(text) {
		at++
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		key, rest := words[0], words[1:]
		switch {
		case len(rest) == 0:
			return nil, fmt.Errorf("%s:%d: nothing follows %q", path, at, key)
		case key == "operator":
			r.operators = append(r.operators, rest...)
		case key == "viewer":
			r.viewers = append(r.viewers, rest...)
		case key != "secret":
			return nil, fmt.Errorf("%s:%d: %q is none of secret, operator, viewer", path, at, key)
		case r.secret != "" || len(rest) > 1:
			return nil, fmt.Errorf("%s:%d: there is one secret, of one word", path, at)
		case len(rest[0]) < minSecret:
			return nil, fmt.Errorf("%s:%d: the secret has %d characters, and needs %d; for one: openssl rand -hex 32", path, at, len(rest[0]), minSecret)
		default:
			r.secret = rest[0]
		}
	}
	switch {
	case r.secret == "":
		return nil, fmt.Errorf("%s: there is no line such as: secret TEXT, with what the proxy sends as %s; for one: openssl rand -hex 32", path, secretHeader)
	case len(r.operators)+len(r.viewers) == 0:
		return nil, fmt.Errorf("%s: nobody is let in; name somebody, such as: viewer *", path)
	}
	return r, nil
}

// of is the role of a user; empty: he has none.
func (r *roles) of(user string) Role {
	has := func(names []string) bool { return slices.Contains(names, user) || slices.Contains(names, "*") }
	switch {
	case slices.Contains(r.viewers, user) && !slices.Contains(r.operators, user):
		return Viewer // he is named, and operators only as everybody
	case has(r.operators):
		return Operator
	case has(r.viewers):
		return Viewer
	}
	return ""
}

// proxied is the session of a request over the unix socket where a proxy says who asks; nil:
// it has none, and why is what to tell.
func (c *Console) proxied(r *http.Request) (s *session, why string) {
	said, users := r.Header.Values(secretHeader), r.Header.Values(userHeader)
	if len(said) == 0 && len(users) == 0 && c.ours(r) {
		return c.trusted(peer(r)), ""
	}
	known, err := readRoles(c.proxy)
	if err != nil {
		c.tell("cannot tell who comes by the proxy, and lets nobody in", "err", err.Error())
		return nil, "The console cannot tell who you are; the daemon's log says why."
	}
	if len(said) != 1 || subtle.ConstantTimeCompare([]byte(said[0]), []byte(known.secret)) != 1 {
		c.tell("a request has not the secret of the proxy, and is refused", "by", peer(r), "next", "have the proxy send it as "+secretHeader)
		return nil, "This did not come by the proxy of the console; use its address."
	}
	// Two are one of the client's own and one of the proxy's.
	if len(users) != 1 || users[0] == "" || len(users[0]) > 100 || clean(users[0]) != users[0] {
		c.tell("the proxy does not say who asks, or says it twice", "count", strconv.Itoa(len(users)), "next", "have it set "+userHeader+", once and in place of the client's")
		return nil, "The proxy has not said who you are."
	}
	role := known.of(users[0])
	if role == "" {
		return nil, "You are neither a viewer nor an operator of this console. Ask who runs it to name you."
	}
	return &session{ID: "proxy " + string(role) + " " + users[0], Role: role, By: users[0], Expires: time.Now().Add(sessionLife)}, ""
}

// atSocket is the session of a request over the unix socket.
func (c *Console) atSocket(r *http.Request) (s *session, why string) {
	if c.proxy == "" {
		return c.trusted(peer(r)), ""
	}
	return c.proxied(r)
}

// trusted is the session of somebody whom the mode of the socket's file lets in.
func (c *Console) trusted(who string) *session {
	return &session{ID: "unix", Role: Operator, By: who, Expires: time.Now().Add(sessionLife)}
}

// tell logs once a minute what clients can have happen as often as they like.
func (c *Console) tell(what string, args ...any) {
	if _, n := c.stolen.take(time.Now()); n > 0 {
		c.log.Warn("console: "+what, args...)
	}
}
