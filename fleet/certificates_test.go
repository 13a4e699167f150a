package fleet

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/certs"
	"github.com/wsgid-fleet/wsgid-fleet/runner/certtest"
)

// TestSitesOfAFleet: certificates are wanted for whole names of apps that run and have
// none of their own, also while a file is broken.
func TestSitesOfAFleet(t *testing.T) {
	f := newFleetDir(t)
	e, err := newCore(Options{Dir: f.Dir, StateDir: f.State, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	app := func(name, more string) {
		f.Write(name, fmt.Sprintf("app %q {\n  path = %q\n  %s\n}\n", name, f.Path(name), more))
	}
	app("blog", `hosts = ["blog.test", "*.blog.test", "WWW.Blog.test.", "[2001:db8::1]", "192.0.2.1"]`)
	app("own", "hosts = [\"own.test\"]\n  tls {\n    cert = \"/own.pem\"\n    key = \"/own.key\"\n  }")
	app("off", "hosts = [\"off.test\"]\n  enabled = false")
	gate := "gate {\n  http { listen = \"127.0.0.1:1080\" }\n  http {\n    listen = \"127.0.0.1:1443\"\n    tls {\n      %s\n    }\n  }\n}\n"
	want := func(list string) {
		t.Helper()
		set, err := e.Dir.Load()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range e.Dir.Sites(set) {
			got = append(got, s.App+"="+s.Host)
			if a := s.Authority; a.Email != "ops@example.org" || a.Directory != "https://ca.test/dir" || a.Roots != "/ca.pem" || !a.Ways.Plain || !a.Ways.TLS {
				t.Errorf("%+v", a)
			}
		}
		if text := strings.Join(got, " "); text != list {
			t.Errorf("got %q, want %q", text, list)
		}
	}
	want("")
	f.Write("gate", fmt.Sprintf(gate, ""))
	want("")
	f.Write("gate", fmt.Sprintf(gate, "acme {\n        email = \"ops@example.org\"\n        directory = \"https://ca.test/dir\"\n        ca = \"/ca.pem\"\n      }"))
	want("blog=blog.test blog=www.blog.test")
	// What runs is remembered as a pass does.
	set, _ := e.Dir.Snapshot()
	for _, name := range []string{"blog", "_gate"} {
		if err := e.Store.SaveSpec(set.Specs[name]); err != nil {
			t.Fatal(err)
		}
	}
	app("blog", "colour = 1")
	want("blog=blog.test blog=www.blog.test")
	f.Write("gate", "gate {\n  colour = 1\n}\n")
	want("blog=blog.test blog=www.blog.test")
}

// TestStatusOfManagedCertificates: what is told of them, and when it is a fault.
func TestStatusOfManagedCertificates(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	const day = 24 * time.Hour
	if err := os.Mkdir(filepath.Join(dir, "sites"), 0o700); err != nil {
		t.Fatal(err)
	}
	failed := func(host string) {
		b, err := json.Marshal(map[string]any{"failures": 2, "error": "the authority is gone", "next": "wait for it", "retry_at": now.Add(5 * time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "sites", host+".json"), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		host        string
		left        time.Duration // 0: none serves
		fails       bool
		state, text string
	}{
		{"new.test", 0, false, "ready", "there is no certificate for new.test yet"},
		{"wrong.test", 0, true, "degraded", "there is no certificate for wrong.test: the authority is gone; wait for it; next try in 5m0s"},
		{"good.test", 60 * day, false, "ready", ""},
		{"late.test", 20 * day, true, "ready", "was not renewed: the authority is gone; wait for it; next try in 5m0s"},
		{"soon.test", 5 * day, true, "degraded", "was not renewed: the authority is gone; wait for it; next try in 5m0s"},
		{"over.test", -day, true, "degraded", "clients refuse it; the authority is gone; wait for it; next try in 5m0s"},
	} {
		if c.left != 0 {
			writeManaged(t, dir, c.host, now.Add(c.left-90*day), now.Add(c.left))
		}
		if c.fails {
			failed(c.host)
		}
		a := AppStatus{Name: "blog", State: "ready"}
		a.managed(dir, []string{c.host}, true, now)
		if a.State != c.state || c.text == "" && a.Reason != "" || !strings.HasSuffix(a.Reason, c.text) {
			t.Errorf("%s: %s %q, want %s %q", c.host, a.State, a.Reason, c.state, c.text)
		}
		if s := a.Certificates[0]; s.Host != c.host || s.Expires.IsZero() != (c.left == 0) || s.Problem != a.Reason || (s.Issuer == "authority of a test") != (c.left != 0) {
			t.Errorf("%+v", s)
		}
	}
}

// writeManaged puts a certificate where the daemon would.
func writeManaged(t *testing.T, dir, host string, from, to time.Time) {
	t.Helper()
	c := certtest.SelfSigned(t, certtest.Called("authority of a test"), certtest.Names(host), certtest.Valid(from, to))
	if err := os.WriteFile(certs.PairFile(dir, host), append(c.Key, c.Cert...), 0o600); err != nil {
		t.Fatal(err)
	}
}
