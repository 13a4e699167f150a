package runner

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
)

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
	if got.StatusCode != http.StatusInternalServerError || !strings.Contains(got.body, "cannot log in as") || !strings.Contains(got.body, applog.Masked) {
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
	if !strings.Contains(st.Traceback, applog.Masked) || !strings.Contains(st.LastError, applog.Masked) {
		t.Errorf("%+v", st)
	}
	got = w.get(t, "/")
	seen["the 503"] = got.body
	if got.StatusCode != http.StatusServiceUnavailable || !strings.Contains(got.body, "cannot connect with "+applog.Masked) {
		t.Errorf("%s %q", got.Status, got.body)
	}
	a.mustLogLine("503", "cannot connect with "+applog.Masked)
	a.mustLogLine("at load "+applog.Masked, "OUTPUT")
	a.mustLogLine("in a request " + applog.Masked)
	seen["the log"] = a.logText()
	for where, text := range seen {
		for _, part := range []string{"tiger", "eye-4711", "tiger%27", base64.StdEncoding.EncodeToString([]byte("user:" + secret))[8:20]} {
			if i := strings.Index(text, part); i >= 0 {
				t.Errorf("%s shows %q: …%s…", where, part, text[max(0, i-80):min(len(text), i+40)])
			}
		}
	}
}
