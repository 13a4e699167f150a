package console

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"
)

const (
	// sessionLife is how long nobody has to get a new URL.
	sessionLife = 12 * time.Hour
	// codeLife is how long a one-time URL may wait to be opened.
	codeLife = 5 * time.Minute
	// maxCodes is how many may wait; the oldest goes.
	maxCodes = 32
	keySize  = 32
)

// Role says what a session may do.
type Role string

// The roles.
const (
	Viewer   Role = "viewer"
	Operator Role = "operator"
)

// session is who looks.
type session struct {
	ID      string    `json:"id"`
	Role    Role      `json:"role"`
	By      string    `json:"by"`  // who got the URL
	UID     string    `json:"uid"` // whose process has opened it; see owner
	Expires time.Time `json:"exp"`
}

// who is how the log and the logbook of deploys call it.
func (s *session) who() string { return s.By + " (console)" }

// May tells whether it may change something.
func (s *session) May() bool { return s.Role == Operator }

// loadKey reads the key of a state directory, or makes one.
func loadKey(dir string) ([]byte, error) {
	path := filepath.Join(dir, "console.key")
	key, err := os.ReadFile(path)
	if err == nil && len(key) == keySize {
		return key, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot read the key of sessions %s: %w", path, plain(err))
	}
	key = make([]byte, keySize)
	_, _ = rand.Read(key) // never fails
	if err := renameio.WriteFile(path, key, 0o600); err != nil {
		return nil, fmt.Errorf("cannot write the key of sessions %s: %w", path, plain(err))
	}
	return key, nil
}

// sign is the mark of a text for a purpose.
func (c *Console) sign(purpose, text string) string {
	c.mu.Lock()
	key := c.key
	c.mu.Unlock()
	m := hmac.New(sha256.New, key)
	m.Write([]byte(purpose + "\x00" + text))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

func (c *Console) signed(purpose, text, mark string) bool {
	return hmac.Equal([]byte(c.sign(purpose, text)), []byte(mark))
}

// cookieName holds the port: cookies do not tell ports apart.
func (c *Console) cookieName() string {
	_, port, _ := net.SplitHostPort(c.target)
	return "wsgid_console_" + port
}

// cookieValue is a session with its mark.
func (c *Console) cookieValue(s *session) string {
	b, _ := json.Marshal(s)
	text := base64.RawURLEncoding.EncodeToString(b)
	return text + "." + c.sign("session", text)
}

// setCookie begins a session in the browser.
func (c *Console) setCookie(w http.ResponseWriter, s *session) {
	//nolint:gosec // loopback without TLS: browsers would not send back a Secure one
	http.SetCookie(w, &http.Cookie{Name: c.cookieName(), Value: c.cookieValue(s), Path: "/",
		MaxAge: int(time.Until(s.Expires).Seconds()), HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// session is that of a request; nil: it has none that holds.
func (c *Console) session(r *http.Request) *session {
	s, _ := c.admit(r)
	return s
}

// admit is session; of one that the socket refuses it is told why.
func (c *Console) admit(r *http.Request) (s *session, why string) {
	switch {
	case looksOnly(r):
		return &session{ID: "unix viewer", Role: Viewer, By: peer(r), Expires: time.Now().Add(sessionLife)}, ""
	case c.network == "unix":
		return c.atSocket(r)
	}
	return c.byCookie(r), ""
}

// byCookie is the session that a browser's cookie names; nil: none that holds.
func (c *Console) byCookie(r *http.Request) *session {
	cookie, err := r.Cookie(c.cookieName())
	if err != nil {
		return nil
	}
	text, mark, ok := strings.Cut(cookie.Value, ".")
	if !ok || !c.signed("session", text, mark) {
		return nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	s := &session{}
	if err != nil || json.Unmarshal(b, s) != nil || !time.Now().Before(s.Expires) {
		return nil
	}
	// Browsers send cookies to all ports of an address: another user's program may have
	// got this one.
	if uid, ok := owner(r); !ok || uid != s.UID {
		if _, n := c.stolen.take(time.Now()); ok && n > 0 {
			c.log.Warn("console: a session is used by a process of another user, and refused", "by", s.By, "uid", uid, "count", n)
		}
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, out := c.gone[s.ID]; out {
		return nil
	}
	return s
}

// end ends a session before its time.
func (c *Console) end(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for id, expires := range c.gone {
		if now.After(expires) {
			delete(c.gone, id)
		}
	}
	if c.gone == nil {
		c.gone = map[string]time.Time{}
	}
	c.gone[s.ID] = s.Expires
}

// random is a text that nobody guesses.
func random() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// codes are the one-time codes that wait to be used. They are kept as digests, so
// that looking one up tells nothing by its time.
type codes struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]grant // guarded by mu
}

type grant struct {
	role    Role
	by      string
	expires time.Time
}

func (c *codes) issue(role Role, by string, now time.Time) (code string, expires time.Time) {
	code = random()
	g := grant{role: role, by: by, expires: now.Add(codeLife)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[[sha256.Size]byte]grant{}
	}
	var oldest [sha256.Size]byte
	for k, o := range c.all {
		if now.After(o.expires) {
			delete(c.all, k)
		} else if first, ok := c.all[oldest]; !ok || o.expires.Before(first.expires) {
			oldest = k
		}
	}
	if len(c.all) >= maxCodes {
		delete(c.all, oldest)
	}
	c.all[sha256.Sum256([]byte(code))] = g
	return code, g.expires
}

// redeem takes a code; it holds once.
func (c *codes) redeem(code string, now time.Time) (grant, bool) {
	k := sha256.Sum256([]byte(code))
	c.mu.Lock()
	defer c.mu.Unlock()
	g, ok := c.all[k]
	delete(c.all, k)
	return g, ok && now.Before(g.expires)
}

// bucket lets so many pass at once, and then one each while.
type bucket struct {
	mu     sync.Mutex
	spent  int       // guarded by mu
	at     time.Time // guarded by mu: of the last refill
	denied int       // guarded by mu: since the last report
	told   time.Time // guarded by mu
}

const (
	bucketSize = 10
	bucketTime = 3 * time.Second
)

// take tells whether another one may pass, and how many were told of since the last
// time that it was worth a line of the log; 0: it is not now.
func (b *bucket) take(now time.Time) (ok bool, report int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if back := int(now.Sub(b.at) / bucketTime); back > 0 {
		b.spent, b.at = max(0, b.spent-back), now
	}
	b.denied++
	if now.Sub(b.told) >= time.Minute {
		report, b.denied, b.told = b.denied, 0, now
	}
	if b.spent >= bucketSize {
		return false, report
	}
	b.spent++
	return true, report
}
