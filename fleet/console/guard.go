package console

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// policy allows our own files and nothing else. Forms go to us alone.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// writeLimit is how long a client may take to read a page.
const writeLimit = 30 * time.Second

// goodHost tells whether a Host header can be meant for us. A name that somebody
// else's DNS leads here is none of these.
func (c *Console) goodHost(r *http.Request) bool {
	host := r.Host
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.Trim(host, "[]"), "80"
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if slices.Contains(c.hosts, name) {
		return true
	}
	ip, err := netip.ParseAddr(name)
	if name != "localhost" && (err != nil || !ip.IsLoopback() || ip.Zone() != "") {
		return false
	}
	if c.network == "unix" || looksOnly(r) {
		return true // what was forwarded has a port of somebody's choice
	}
	_, ours, _ := net.SplitHostPort(c.target)
	return port == ours
}

// foreign tells whether a page of somebody else asks. To follow a link or a bookmark
// that leads here is everybody's right.
func foreign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return false
	}
	return r.Method != http.MethodGet || r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
}

type sessionKey struct{}

// by is the session of a request that the guard has let through.
func by(r *http.Request) *session {
	s, _ := r.Context().Value(sessionKey{}).(*session)
	return s
}

// guard lets through what may come.
func (c *Console) guard(inner http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeLimit))
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		// Not no-referrer: browsers would send our own forms with Origin: null.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if r.URL.Path == "/healthz" && r.Method == http.MethodGet {
			h.Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = w.Write([]byte("ok\n"))
			return
		}
		if code, why := c.refusal(r, crossOrigin); why != "" {
			if code == http.StatusMethodNotAllowed {
				h.Set("Allow", "GET, HEAD, POST")
			}
			refuse(w, code, why)
			return
		}
		if r.Method == http.MethodPost {
			r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		}
		if strings.HasPrefix(r.URL.Path, "/static/") || r.URL.Path == "/login" {
			c.hub.visit()
			inner.ServeHTTP(w, r)
			return
		}
		s, why := c.admit(r)
		if why != "" {
			refuse(w, http.StatusForbidden, why)
			return
		}
		if s == nil {
			if r.Method == http.MethodGet && (r.Header.Get("Sec-Fetch-Dest") == "document" || strings.Contains(r.Header.Get("Accept"), "text/html")) {
				http.Redirect(w, r, "/login", http.StatusSeeOther)
				return
			}
			refuse(w, http.StatusUnauthorized, "You are not logged in. Get a URL to log in with: wsgid-fleet console")
			return
		}
		if r.Method == http.MethodPost {
			if code, why := c.formRefusal(r, s); why != "" {
				refuse(w, code, why)
				return
			}
		}
		c.hub.visit()
		inner.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), sessionKey{}, s)))
	})
}

// refusal says why a request is refused, whoever has sent it.
func (c *Console) refusal(r *http.Request, crossOrigin *http.CrossOriginProtection) (code int, why string) {
	if !c.goodHost(r) {
		return http.StatusMisdirectedRequest, "The console is not served under this host name. Open it by the address that it listens on; for a name in front of it start the daemon with --console-host NAME."
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		if err := crossOrigin.Check(r); err != nil {
			return http.StatusForbidden, "This was sent by a page of another site; refused."
		}
		if t, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); strings.TrimSpace(t) != "application/x-www-form-urlencoded" {
			return http.StatusUnsupportedMediaType, "Only the console's own forms are accepted."
		}
	default:
		return http.StatusMethodNotAllowed, "Only GET, HEAD and POST are supported."
	}
	if foreign(r) {
		return http.StatusForbidden, "This was requested by a page of another site; refused."
	}
	return 0, ""
}

// formRefusal says why a form of a session is refused.
func (c *Console) formRefusal(r *http.Request, s *session) (code int, why string) {
	if r.URL.Path != "/logout" && !s.May() {
		return http.StatusForbidden, "A viewer cannot change anything. Get a URL for an operator with: wsgid-fleet console"
	}
	if err := r.ParseForm(); err != nil {
		return http.StatusBadRequest, "The form cannot be read."
	}
	if !c.signed("form", s.ID, r.PostForm.Get("token")) {
		return http.StatusForbidden, "The form does not belong to this session. Go back, reload the page and try again."
	}
	return 0, ""
}

// refuse answers in plain text.
func refuse(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = fmt.Fprintln(w, text)
}

// logIn takes a code for a session.
func (c *Console) logIn(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "The form cannot be read.")
		return
	}
	now := time.Now()
	uid, here := owner(r)
	if !here {
		refuse(w, http.StatusForbidden, "The connection is closed already.")
		return
	}
	g, ok := c.codes.redeem(strings.TrimSpace(r.PostForm.Get("code")), now)
	if !ok {
		// A right one passes at any time: who guesses keeps nobody out.
		pass, report := c.wrong.take(now)
		if report > 0 {
			c.log.Warn("console: wrong login codes", "count", report, "from", cmp.Or(peer(r), r.RemoteAddr))
		}
		code, text := http.StatusForbidden, "This code is not valid: it was already used, or is older than five minutes. Get another URL with: wsgid-fleet console"
		if !pass {
			w.Header().Set("Retry-After", "3")
			code, text = http.StatusTooManyRequests, "Too many wrong codes. Get a URL with: wsgid-fleet console"
		}
		c.render(w, r, code, "login", loginView{Problem: text})
		return
	}
	s := &session{ID: random(), Role: g.role, By: g.by, UID: uid, Expires: now.Add(sessionLife)}
	c.setCookie(w, s)
	c.log.Info("console: logged in", "by", s.By, "role", string(s.Role))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (c *Console) logOut(w http.ResponseWriter, r *http.Request) {
	c.end(by(r))
	//nolint:gosec // as setCookie says
	http.SetCookie(w, &http.Cookie{Name: c.cookieName(), Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}
