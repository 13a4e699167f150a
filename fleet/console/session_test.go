package console

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAURLLogsInOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	l := h.con.login(false, "ann")
	page, code, _ := strings.Cut(l.URL, "#")
	if page != h.url+"/login" || len(code) < 40 || time.Until(l.Expires) > codeLife {
		t.Fatalf("the URL is %s until %v", l.URL, l.Expires)
	}
	if a := h.send("GET", "/login", nil); a.code != 200 || strings.Contains(a.body, code) {
		t.Errorf("the page to log in: %d", a.code)
	}
	// A code in a query is none: queries are logged.
	if a := h.send("POST", "/login?code="+code, url.Values{"code": {"x"}}); a.code != 403 {
		t.Errorf("a code in the query: %d", a.code)
	}
	a := h.send("POST", "/login", url.Values{"code": {code}})
	cookie := a.header.Get("Set-Cookie")
	for _, word := range []string{"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="} {
		if !strings.Contains(cookie, word) {
			t.Errorf("the cookie %q has no %s", cookie, word)
		}
	}
	if a.code != 303 || strings.Contains(cookie, code) || strings.Contains(cookie, "Domain") {
		t.Errorf("login: %d %q", a.code, cookie)
	}
	if a := h.send("POST", "/login", url.Values{"code": {code}}); a.code != 403 || a.header.Get("Set-Cookie") != "" {
		t.Errorf("the second time: %d", a.code)
	}
	old, _ := h.con.codes.issue(Operator, "ann", time.Now().Add(-codeLife-time.Second))
	if a := h.send("POST", "/login", url.Values{"code": {old}}); a.code != 403 {
		t.Errorf("a code that is too old: %d", a.code)
	}
}

// A thousand wrong codes get nowhere, and keep nobody out who has a right one.
func TestWrongCodes(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	busy := 0
	handler := h.con.handler()
	for range 1000 {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/login", strings.NewReader("code=wrong"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		switch w.Code {
		case http.StatusTooManyRequests:
			if busy++; w.Header().Get("Retry-After") == "" {
				t.Fatal("429 without Retry-After")
			}
		case http.StatusForbidden:
		default:
			t.Fatalf("a wrong code: %d", w.Code)
		}
	}
	if busy == 0 {
		t.Error("nobody was told to wait")
	}
	h.login(false)
	for range 10 * maxCodes {
		h.con.login(false, "ann")
	}
	if n := len(h.con.codes.all); n > maxCodes {
		t.Errorf("%d codes wait", n)
	}
}

func TestBucket(t *testing.T) {
	t.Parallel()
	var b bucket
	now := time.Unix(1_800_000_000, 0)
	passed, reports := 0, 0
	for range 1000 {
		ok, report := b.take(now)
		if ok {
			passed++
		}
		if report > 0 {
			reports++
		}
	}
	if passed != bucketSize || reports != 1 {
		t.Errorf("%d passed, %d lines of the log", passed, reports)
	}
	if ok, _ := b.take(now.Add(bucketTime)); !ok {
		t.Error("none passes later")
	}
	if ok, _ := b.take(now.Add(bucketTime)); ok {
		t.Error("two pass later")
	}
	if _, report := b.take(now.Add(time.Minute)); report < 900 {
		t.Errorf("%d are reported", report)
	}
}

// A session is what was signed, and ends when it should.
func TestSessions(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	cookie := h.login(true)
	name, value, _ := strings.Cut(cookie, "=")
	text, mark, _ := strings.Cut(value, ".")
	b, _ := base64.RawURLEncoding.DecodeString(text)
	forge := func(change func(*session)) string {
		var s session
		if err := json.Unmarshal(b, &s); err != nil {
			t.Fatal(err)
		}
		change(&s)
		b, _ := json.Marshal(s)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	code := func(value string) int { return h.send("GET", "/", nil, "Cookie", name+"="+value).code }
	if got := code(value); got != 200 {
		t.Fatalf("the session itself: %d", got)
	}
	for what, value := range map[string]string{
		"no mark": text, "another mark": text + "." + mark[1:] + "A", "a role of choice": forge(func(s *session) { s.Role = Operator }) + "." + mark,
		"a longer life": forge(func(s *session) { s.Expires = s.Expires.Add(time.Hour) }) + "." + mark, "nothing": "", "a dot": ".",
		"the mark of a form": text + "." + h.con.sign("form", text),
	} {
		if got := code(value); got != 401 {
			t.Errorf("%s: %d", what, got)
		}
	}
	past := forge(func(s *session) { s.Expires = time.Now().Add(-time.Second) })
	if got := code(past + "." + h.con.sign("session", past)); got != 401 {
		t.Errorf("a session that is over: %d", got)
	}
	// Another daemon of the same state directory knows it, as after a crash.
	again := serveFake(t, h.fleet)
	again.con.target = h.con.target // the port is part of the cookie's name
	_, port, _ := strings.Cut(h.con.target, ":")
	if got := again.send("GET", "/", nil, "Cookie", cookie, "Host", "127.0.0.1:"+port).code; got != 200 {
		t.Errorf("after a restart: %d", got)
	}
	info, err := os.Stat(filepath.Join(h.fleet.dir, "console.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info.Mode(), err)
	}
	a := h.send("POST", "/logout", url.Values{"token": {h.token(cookie)}}, "Cookie", cookie)
	if a.code != 303 || !strings.Contains(a.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("logout: %d %q", a.code, a.header.Get("Set-Cookie"))
	}
	if got := code(value); got != 401 {
		t.Errorf("after the logout: %d", got)
	}
}
