package runner

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

func maskOf(secrets ...string) *mask {
	spec := appspec.Default("demo", "/srv/demo")
	spec.Env, spec.Sensitive = map[string]string{}, map[string]bool{"env": true}
	for i, s := range secrets {
		spec.Env[fmt.Sprintf("S%d", i)] = s
	}
	m := &mask{}
	m.learn(spec)
	return m
}

func TestMask(t *testing.T) {
	const secret = `pa'ss "w\rd<é>&/+ ?`
	m := maskOf(secret, "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n", "postgres://blog:tigers-eye@db/blog", "abcd", "ab", "")
	b64 := base64.StdEncoding.EncodeToString
	for _, said := range []string{
		"E: " + secret,
		`E: 'pa\'ss "w\\rd<é>&/+ ?'`,
		`E: "pa'ss \"w\\rd<é>&/+ ?"`,
		`E: 'pa\'ss "w\\rd<\xe9>&/+ ?'`,
		`{"k": "pa'ss \"w\\rd<\u00e9>&/+ ?"}`,
		`{"k": "pa'ss \"w\\rd<é>&/+ ?"}`,
		"GET /?k=pa%27ss+%22w%5Crd%3C%C3%A9%3E%26%2F%2B+%3F",
		"GET /?k=pa%27ss%20%22w%5Crd%3C%C3%A9%3E%26%2F%2B%20%3F",
		"Basic " + b64([]byte("u:"+secret)),
		"Basic " + b64([]byte("us:"+secret+"more")),
		"Basic " + b64([]byte("use:"+secret)),
		"line\nMIIEvQIBADANBg\n",
		"-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----",
		`'-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n'`,
		"cannot connect to postgres://blog:tigers-eye@db/blog",
		`password "tigers-eye" is wrong`,
		"key=abcd;",
	} {
		got := m.text(said)
		if !strings.Contains(got, masked) {
			t.Errorf("%q stays", said)
		}
		for _, part := range []string{"pa'ss", `pa\'ss`, "pa%27ss", "MIIE", "tigers", "abcd", b64([]byte("ss \"w"))[:6]} {
			if strings.Contains(got, part) {
				t.Errorf("%q becomes %q", said, got)
			}
		}
	}
	for _, said := range []string{"abcdef and ab stay", "ModuleNotFoundError: No module named 'blog'", ""} {
		if got := m.text(said); got != said {
			t.Errorf("%q becomes %q", said, got)
		}
	}
	none := &mask{}
	none.learn(appspec.Default("demo", "/srv/demo"))
	line := []byte("a line of an app without secrets")
	if n := testing.AllocsPerRun(10, func() { none.bytes(line) }); n != 0 {
		t.Errorf("%v allocations where there is no secret", n)
	}
	if n := testing.AllocsPerRun(10, func() { m.bytes(line) }); n != 0 {
		t.Errorf("%v allocations for a line without one", n)
	}
}

// Whatever an app says of its secrets is masked wherever we repeat it: the log,
// status, and with debug the answers too, also where it cannot be loaded.
func TestSecretsThatAnAppRepeats(t *testing.T) {
	t.Parallel()
	const secret = "tiger's \\eye-4711"
	const app = `
import base64, os, sys, urllib.parse
S = os.environ["SECRET"]
print("at load", S, repr(S), flush=True)
def application(environ, start_response):
    print("in a request", urllib.parse.quote(S), base64.b64encode(b"user:" + S.encode()).decode(), flush=True)
    raise ValueError("cannot log in as %r with %s" % (S, S))
`
	a := newTestApp(t, app, func(s *appspec.Spec) {
		s.Debug = true
		s.Env = map[string]string{"SECRET": secret}
		s.Sensitive = map[string]bool{"env.SECRET": true}
		s.Restart.MinDelay = appspec.Duration(time.Hour)
		s.Restart.MaxDelay = appspec.Duration(time.Hour)
	})
	h := a.start(StateReady)
	w := way{addr: a.addr}
	seen := map[string]string{}
	got := w.get(t, "/")
	seen["the 500"] = got.body
	if got.StatusCode != http.StatusInternalServerError || !strings.Contains(got.body, "cannot log in as") || !strings.Contains(got.body, masked) {
		t.Errorf("%s %q", got.Status, got.body)
	}
	a.write("app.py", `
import os
raise RuntimeError("cannot connect with " + os.environ["SECRET"] + " or %r" % os.environ["SECRET"])
`)
	st, err := h.Status(a.ctx(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(st.Workers[0].PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	st = a.wait(h, func(st Status) bool {
		return st.State == StateBackoff && strings.Contains(st.Reason, "cannot connect with")
	})
	text, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	seen["status"] = string(text)
	if !strings.Contains(st.Traceback, masked) || !strings.Contains(st.LastError, masked) {
		t.Errorf("%+v", st)
	}
	got = w.get(t, "/")
	seen["the 503"] = got.body
	if got.StatusCode != http.StatusServiceUnavailable || !strings.Contains(got.body, "cannot connect with "+masked) {
		t.Errorf("%s %q", got.Status, got.body)
	}
	a.mustLogLine("503", "cannot connect with "+masked)
	a.mustLogLine("at load "+masked, "OUTPUT")
	a.mustLogLine("in a request " + masked)
	seen["the log"] = a.logText()
	for where, text := range seen {
		for _, part := range []string{"tiger", "eye-4711", "tiger%27", base64.StdEncoding.EncodeToString([]byte("user:" + secret))[8:20]} {
			if i := strings.Index(text, part); i >= 0 {
				t.Errorf("%s shows %q: …%s…", where, part, text[max(0, i-80):min(len(text), i+40)])
			}
		}
	}
}
