package runner

import (
	"encoding/json"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

const accessApp = `
import os, time

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/die":
        os._exit(7)
    if path == "/sleep":
        time.sleep(30)
    if path == "/sleep/for/ever":
        time.sleep(3600)
    if path == "/stream":
        start_response("200 OK", [])
        return iter([b"x" * 1000] * 5)
    if path == "/file":
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))
    if path == "/short":
        start_response("200 OK", [("Content-Length", "3")])
        return [b"abcdef"]
    if path == "/raise":
        raise ValueError("no")
    start_response("404 Not Found" if path == "/nope" else "200 OK", [])
    return [b"hello"]
`

func TestAccessLog(t *testing.T) {
	a := newTestApp(t, accessApp, func(s *appspec.Spec) {
		s.Log.Access = true
		s.Request.MaxBody = 1000
		s.Request.TrustedProxies = []string{"127.0.0.0/8"}
	})
	h := a.start(StateReady)
	self := len(accessApp)
	const date = `\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [-+]\d{4}\]`
	const rest = ` \d+\.\d{6} (\d+|-) demo\n`
	get := func(path string, fields ...string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: x\r\n" + strings.Join(fields, "\r\n") + "\r\n"
	}
	for _, c := range []struct {
		raw    string
		status int
		line   string // without date, duration, worker and app
	}{
		{get("/a?b=c&d", "Referer: http://r/", "User-Agent: curl/8", ""), 200,
			`127.0.0.1 - - D "GET /a?b=c&d HTTP/1.1" 200 5 "http://r/" "curl/8"`},
		{get("/nope"), 404, `127.0.0.1 - - D "GET /nope HTTP/1.1" 404 5 "-" "-"`},
		{"HEAD / HTTP/1.0\r\n\r\n", 200, `127.0.0.1 - - D "HEAD / HTTP/1.0" 200 0 "-" "-"`},
		{get("/stream"), 200, `127.0.0.1 - - D "GET /stream HTTP/1.1" 200 5000 "-" "-"`},
		{get("/file"), 200, fmt.Sprintf(`127.0.0.1 - - D "GET /file HTTP/1.1" 200 %d "-" "-"`, self)},
		{get("/short"), 200, `127.0.0.1 - - D "GET /short HTTP/1.1" 200 3 "-" "-"`},
		// A client cannot break out of its field, nor speak to a terminal.
		{get(`/"\`, `user-agent: a "b" \ `+"\xff\xe9", ""), 200, `127.0.0.1 - - D "GET /\x22\x5c HTTP/1.1" 200 5 "-" "a \x22b\x22 \x5c \xff\xe9"`},
		// What a trusted proxy tells of the client.
		{get("/", "X-Forwarded-For: 1.2.3.4", ""), 200, `1.2.3.4 - - D "GET / HTTP/1.1" 200 5 "-" "-"`},
		{"POST /up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nReferer: r\r\n\r\n2\r\nab\r\n0\r\n\r\n", 200, `127.0.0.1 - - D "POST /up HTTP/1.1" 200 5 "r" "-"`},
		// Answers of the server itself.
		{"POST /big HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n", 413, `127.0.0.1 - - D "POST /big HTTP/1.1" 413 0 "-" "-"`},
		{"rubbish\r\n\r\n", 400, `127.0.0.1 - - D "-" 400 0 "-" "-"`},
		{get("/raise"), 500, `127.0.0.1 - - D "GET /raise HTTP/1.1" 500 N "-" "-"`},
		{get("/die"), 502, `127.0.0.1 - - D "GET /die HTTP/1.1" 502 0 "-" "-"`},
		{get("/sleep/for/ever"), 504, `127.0.0.1 - - D "GET /sleep/for/ever HTTP/1.1" 504 0 "-" "-"`},
	} {
		if c.status == 504 { // the others take as long as they take
			a.update(h, func(s *appspec.Spec) { s.Workers.RequestTimeout = appspec.Duration(2 * time.Second) })
		}
		if got := a.ask(c.raw); got != c.status {
			t.Errorf("%q: %d, want %d", c.raw, got, c.status)
		}
		re := regexp.QuoteMeta(c.line)
		re = strings.Replace(strings.Replace(re, "- - D", "- - "+date, 1), "500 N", `500 \d+`, 1)
		line := regexp.MustCompile(`(?m)^` + re + rest)
		eventually(t, "a line "+c.line, func() bool { return line.MatchString(a.logText()) })
	}
	st := a.wait(h, func(st Status) bool { return st.State == StateReady })
	for code, n := range map[int]uint64{200: 8, 404: 1, 413: 1, 400: 1, 500: 1, 502: 1, 504: 1} {
		if got := st.Counters.Codes[code]; got != n {
			t.Errorf("%d answers with %d, want %d", got, code, n)
		}
	}
	if r := st.Counters.Restarts; r["died"] != 1 || r["timeout"] != 1 || r["broke"]+r["start"]+r["memory"]+r["requests"]+r["health"] != 0 {
		t.Errorf("restarts: %v", r)
	}
	if n := st.Counters.Buckets[len(st.Counters.Buckets)-1]; n != 12 || st.Counters.Seconds < 2 {
		t.Errorf("%d durations, %v s", n, st.Counters.Seconds)
	}

	// JSON from the next request on, and nothing when it is turned off.
	a.spec.Log.Format = "json"
	if err := h.Update(a.ctx(), a.spec, 3, false); err != nil {
		t.Fatal(err)
	}
	a.ask(get(`/j?"`, "User-Agent: caf\xc3\xa9 \xff", "Referer: <r>", ""))
	var got map[string]any
	eventually(t, "a line in JSON", func() bool {
		for line := range strings.Lines(a.logText()) {
			got = nil
			if json.Unmarshal([]byte(line), &got) == nil && got["source"] == "access" {
				return true
			}
		}
		return false
	})
	at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(got["time"]))
	if err != nil || time.Since(at) > time.Minute || time.Since(at) < -time.Second {
		t.Errorf("time %v, %v", got["time"], err)
	}
	if s, _ := got["seconds"].(float64); s <= 0 || s > patience.Seconds() {
		t.Errorf("seconds %v", got["seconds"])
	}
	if p, _ := got["pid"].(float64); int(p) != st.Workers[0].PID {
		t.Errorf("pid %v, want %d", got["pid"], st.Workers[0].PID)
	}
	for _, k := range []string{"time", "seconds", "pid"} {
		delete(got, k)
	}
	want := `map[app:demo bytes:5 level:INFO method:GET protocol:HTTP/1.1 referer:<r> remote:127.0.0.1 source:access status:200 target:/j?" user_agent:café ` + "\uFFFD]"
	if s := fmt.Sprint(got); s != want {
		t.Errorf("%s, want\n%s", s, want)
	}
	a.spec.Log.Access = false
	if err := h.Update(a.ctx(), a.spec, 4, false); err != nil {
		t.Fatal(err)
	}
	a.ask(get("/silent"))
	if err := h.Drain(a.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	_ = h.Wait(a.ctx())
	if strings.Contains(a.logText(), "/silent") {
		t.Error("a line though access is off")
	}
}

// What is still in a batch when the master ends is written.
func TestAccessLogAtTheEnd(t *testing.T) {
	a := newTestApp(t, accessApp, func(s *appspec.Spec) { s.Log.Access = true })
	h := a.start(StateReady)
	for range 20 {
		a.get("/last")
	}
	if err := h.Drain(a.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	_ = h.Wait(a.ctx())
	if n := strings.Count(a.logText(), `"GET /last HTTP/1.1" 200 5 `); n != 20 {
		t.Errorf("%d lines of 20", n)
	}
}

// A client that goes away before its answer, and the request that a worker is
// at.
func TestClientGoneAndCurrentRequest(t *testing.T) {
	a := newTestApp(t, accessApp, func(s *appspec.Spec) {
		s.Log.Access = true
		s.Workers.Queue = 100
	})
	h := a.start(StateReady)
	a.send("/sleep")
	eventually(t, "the worker is at the request", func() bool {
		st, err := h.Status(a.ctx(), 0)
		if err != nil {
			t.Fatal(err)
		}
		c := st.Workers[0].Current
		return len(c) == 1 && c[0].Request == "GET /sleep" && time.Since(c[0].Since) < time.Minute && st.Workers[0].State == WorkerBusy
	})
	// More come, some are sent ahead to the worker, the others wait; their clients
	// leave.
	for range 16 {
		st, _ := h.Status(a.ctx(), 0)
		total := st.Requests.Total
		c := a.send("/gone")
		eventually(t, "the request is there", func() bool {
			st, _ := h.Status(a.ctx(), 0)
			return st.Requests.Total > total
		})
		_ = c.Conn.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
	eventually(t, "a line with 499", func() bool {
		return regexp.MustCompile(`"GET /gone HTTP/1.1" 499 0 "-" "-" \d\.\d{6} - demo\n`).MatchString(a.logText())
	})
}

// A request through a real mongrel2 is in the access log as one by HTTP is.
func TestAccessLogOfMongrel2(t *testing.T) {
	a, _, ways := everyWay(t, accessApp, nil, func(s *appspec.Spec) { s.Log.Access = true })
	for _, w := range ways {
		if w.tls != nil {
			continue // TestAccessLogOfTLS
		}
		a.addr = w.addr
		if code := a.ask("GET /way-" + w.name + "?x=y HTTP/1.1\r\nHost: x\r\nUser-Agent: tester\r\nReferer: r\r\n\r\n"); code != 200 {
			t.Errorf("%s: %d", w.name, code)
		}
		line := regexp.MustCompile(`(?m)^127\.0\.0\.1 - - \[[^]]*\] "GET /way-` + w.name + `\?x=y HTTP/1\.1" 200 5 "r" "tester" \d+\.\d{6} \d+ demo$`)
		eventually(t, "a line of the request through "+w.name, func() bool { return line.MatchString(a.logText()) })
	}
}
