package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// pages are all that a browser may ask for.
var pages = []string{"/", "/?state=backoff&sort=rate&q=x", "/rows?since=0", "/app/blog", "/plan", "/logs", "/logs?app=blog", "/logs?app=blog&q=x&level=error&n=5", "/deploys", "/hosts"}

// A name that somebody else's DNS leads here reaches nothing.
func TestHostsThatAreNotOurs(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	cookie := h.login(false)
	_, port, _ := strings.Cut(strings.TrimPrefix(h.url, "http://"), ":")
	for host, want := range map[string]int{
		"127.0.0.1:" + port: 200, "localhost:" + port: 200, "[::1]:" + port: 200, "127.9.9.9:" + port: 200,
		"ops.example.org": 200, "OPS.example.org:8443": 200, "ops.example.org.": 200,
		"evil.example:" + port: 421, "127.0.0.1": 421, "127.0.0.1:1": 421, "127.0.0.1.nip.io:" + port: 421, "localhost.evil.example:" + port: 421,
		"192.168.1.5:" + port: 421, "0.0.0.0:" + port: 421, "[::ffff:127.0.0.1]:" + port: 200, "": 421,
	} {
		if host == "" {
			continue // net/http's client would fill it in
		}
		for _, path := range []string{"/", "/static/live.js", "/login"} {
			a := h.send("GET", path, nil, "Host", host, "Cookie", cookie)
			if path == "/login" && want == 200 {
				want := http.StatusSeeOther // a session is there
				if a.code != want {
					t.Errorf("%s of %s: %d, want %d", path, host, a.code, want)
				}
				continue
			}
			if a.code != want {
				t.Errorf("%s of %s: %d, want %d", path, host, a.code, want)
			}
		}
	}
	// A watchdog need not know our name, and learns nothing.
	if a := h.send("GET", "/healthz", nil, "Host", "10.0.0.1"); a.code != 200 || a.body != "ok\n" {
		t.Errorf("/healthz: %d %q", a.code, a.body)
	}
}

// What other sites' pages send or ask for is refused, whatever cookie comes with it;
// links to us work.
func TestOtherSites(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	cookie := h.login(false)
	form := url.Values{"token": {h.token(cookie)}, "verb": {"reload"}}
	for _, set := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Origin", "http://127.0.0.1:1"},
		{"Content-Type", "text/plain"}, {"Content-Type", "application/json"}, {"Content-Type", "multipart/form-data; boundary=x"},
	} {
		if a := h.send("POST", "/app/blog", form, append(set, "Cookie", cookie)...); a.code != 403 && a.code != 415 {
			t.Errorf("a post with %v: %d", set, a.code)
		}
	}
	if did := h.fleet.done(); did != "" {
		t.Errorf("it did %s", did)
	}
	for _, site := range []string{"cross-site", "same-site"} {
		for _, path := range append([]string{"/stream", "/static/live.js"}, pages...) {
			for _, mode := range [][2]string{{"no-cors", "image"}, {"cors", "empty"}, {"navigate", "iframe"}, {"no-cors", "script"}} {
				if a := h.send("GET", path, nil, "Cookie", cookie, "Sec-Fetch-Site", site, "Sec-Fetch-Mode", mode[0], "Sec-Fetch-Dest", mode[1]); a.code != 403 {
					t.Errorf("%s for a %s of a %s page: %d", path, mode[1], site, a.code)
				}
			}
		}
		if a := h.send("GET", "/app/blog", nil, "Cookie", cookie, "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"); a.code != 200 {
			t.Errorf("a link of a %s page: %d", site, a.code)
		}
	}
	for _, method := range []string{"PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"} {
		if a := h.send(method, "/", nil, "Cookie", cookie); a.code != 405 {
			t.Errorf("%s: %d", method, a.code)
		}
	}
	if a := h.send("POST", "/app/blog", form, "Cookie", cookie, "Origin", h.url, "Sec-Fetch-Site", "same-origin"); a.code != 303 {
		t.Errorf("our own form: %d %s", a.code, a.body)
	}
	eventually(t, "the app is reloaded", func() bool { return h.fleet.done() == "reload blog" })
}

// Every answer has the policy, errors too, and none gives others leave to read it.
func TestHeaders(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	cookie := h.login(false)
	check := func(a answer, what string) {
		t.Helper()
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Cross-Origin-Resource-Policy": "same-origin", "Referrer-Policy": "same-origin",
		} {
			if !strings.Contains(a.header.Get(name), want) {
				t.Errorf("%s: %s is %q", what, name, a.header.Get(name))
			}
		}
		if a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: others may read it", what)
		}
		for _, bad := range []string{"unsafe-inline", "unsafe-eval", "*", "http:"} {
			if strings.Contains(a.header.Get("Content-Security-Policy"), bad) {
				t.Errorf("%s: the policy has %s", what, bad)
			}
		}
		if strings.Contains(a.body, " style=") || strings.Contains(a.body, " onclick=") || strings.Contains(a.body, "<script>") {
			t.Errorf("%s has a part that the policy forbids", what)
		}
	}
	for _, path := range append([]string{"/nowhere", "/app/nobody", "/static/style.css", "/static/"}, pages...) {
		a := h.send("GET", path, nil, "Cookie", cookie)
		check(a, path)
		if !strings.HasPrefix(path, "/static/") && a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be kept: %q", path, a.header.Get("Cache-Control"))
		}
		check(h.send("GET", path, nil), path+" without a session")
	}
	check(h.send("GET", "/", nil, "Host", "evil.example"), "a wrong host")
	check(h.send("POST", "/", nil, "Origin", "https://evil.example"), "a cross-site post")
}

// Without a session nothing is told; a person is led to the login, a program is not.
func TestWithoutASession(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, path := range append([]string{"/stream", "/nowhere", "/did/x"}, pages...) {
		if a := h.send("GET", path, nil); a.code != 401 || strings.Contains(a.body, "blog") {
			t.Errorf("%s: %d %q", path, a.code, a.body)
		}
		if a := h.send("GET", path, nil, "Accept", "text/html,*/*"); a.code != 303 || a.header.Get("Location") != "/login" || strings.Contains(a.body, "blog") {
			t.Errorf("%s by a browser: %d %q", path, a.code, a.header.Get("Location"))
		}
	}
	for _, path := range []string{"/app/blog", "/plan", "/deploys/blog", "/logout"} {
		if a := h.send("POST", path, url.Values{"verb": {"reload"}}); a.code != 401 {
			t.Errorf("POST %s: %d", path, a.code)
		}
	}
	if h.fleet.looks.Load() != 0 || h.fleet.done() != "" {
		t.Error("the fleet was asked")
	}
	// Nobody is believed by a header.
	for _, name := range []string{"X-Forwarded-User", "Remote-User", "Authorization", "X-Forwarded-For", "X-Real-Ip"} {
		if a := h.send("GET", "/", nil, name, "root"); a.code != 401 {
			t.Errorf("with %s: %d", name, a.code)
		}
	}
}
