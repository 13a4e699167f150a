package source

import (
	"encoding/pem"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

// gitServer serves a repository by git's own CGI program over HTTPS, with a
// certificate that only its own authority vouches for. before may answer instead.
func gitServer(t *testing.T, u *upstream, before func(w http.ResponseWriter, r *http.Request) bool) string {
	t.Helper()
	core, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{Path: filepath.Join(strings.TrimSpace(string(core)), "git-http-backend"),
		Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(u.dir), "GIT_HTTP_EXPORT_ALL=1"}}
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before == nil || !before(w, r) {
			backend.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	ca := filepath.Join(shortdir.New(t), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", ca)
	return srv.URL + "/" + filepath.Base(u.dir)
}

// Over HTTPS an object id is found whether or not the server passes on what git says
// of its protocol.
func TestFetchOverHTTPS(t *testing.T) {
	u, s := newUpstream(t), newSite(t)
	one := u.commit("main", u.files(map[string]string{"v": "1"}), "first", false)
	two := u.commit("main", u.files(map[string]string{"v": "2"}), "second", false)
	passes, asked := true, 0
	r := Repository{URL: gitServer(t, u, func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.Header.Get("Git-Protocol"), "version=2") {
			asked++
		}
		if !passes {
			r.Header.Del("Git-Protocol")
		}
		return false
	})}
	for _, passes = range []bool{true, false} {
		for _, c := range []struct{ branch, commit, id string }{{"", "", two}, {"main", one, one}, {"", one, one}, {"main", one[:8], one}} {
			r.Branch, r.Commit = c.branch, c.commit
			if got := s.fetch(r); got.ID != c.id {
				t.Errorf("passes the protocol on: %v; %+v: %s", passes, c, got.ID)
			}
		}
		if err := os.RemoveAll(s.store.Dir); err != nil {
			t.Fatal(err)
		}
	}
	if asked == 0 {
		t.Error("git did not ask for version 2")
	}
	// Whoever has not been told of the authority.
	t.Setenv("SSL_CERT_FILE", "")
	_, err := s.store.Fetch(s.ctx(), Repository{URL: r.URL})
	wants(t, err, "certificate", "SSL_CERT_FILE")
}

// A server that does not do what it should: each is said in its time.
func TestServersThatDoNotServe(t *testing.T) {
	u := newUpstream(t)
	u.commit("main", u.files(map[string]string{"v": "1"}), "first", false)
	const infos, pack = "/info/refs", "/git-upload-pack"
	hang := func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	drop := func(w http.ResponseWriter, _ *http.Request) {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = c.Close()
		}
	}
	status := func(code int, head ...string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			if len(head) == 2 {
				w.Header().Set(head[0], head[1])
			}
			http.Error(w, "no", code)
		}
	}
	for name, c := range map[string]struct {
		at   string
		does func(http.ResponseWriter, *http.Request)
		says []string
	}{
		"asks for a password":    {infos, status(401, "WWW-Authenticate", `Basic realm="x"`), []string{"the server asks for a password", "~/.netrc of "}},
		"hangs at the list":      {infos, hang, []string{"the server took longer than 2s", "timeout ="}},
		"hangs at the pack":      {pack, hang, []string{"the server took longer than 2s", "timeout ="}},
		"closes at the list":     {infos, drop, []string{"closed the connection"}},
		"closes at the pack":     {pack, drop, []string{"closed the connection"}},
		"has no such repository": {infos, status(404), []string{"there is no repository at that URL"}},
		"forbids it":             {infos, status(403), []string{"403"}},
		"fails":                  {infos, status(500), []string{"the server failed", "500"}},
		"leads to plain http": {infos, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/x.git/info/refs", http.StatusFound)
		}, []string{"another transport"}},
		"answers with something else": {infos, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>welcome")) }, []string{"is not a git server"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			url := gitServer(t, u, func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, c.at) {
					return false
				}
				c.does(w, r)
				return true
			})
			if strings.HasPrefix(name, "hangs") {
				s.store.Limits.Time = 2 * time.Second
			}
			began := time.Now()
			_, err := s.store.Fetch(s.ctx(), Repository{URL: url})
			if took := time.Since(began); took > 50*time.Second {
				t.Errorf("it took %v", took)
			}
			wants(t, err, append(c.says, "cannot fetch "+url)...)
			t.Log(err)
		})
	}
}

// A host that nobody knows, and a network that is not there.
func TestNoNetwork(t *testing.T) {
	newUpstream(t)
	s := newSite(t)
	s.store.Limits.Time = time.Minute
	for url, says := range map[string][]string{
		"https://git.example.invalid/x.git":   {"there is no such host, or no network"},
		"ssh://git@git.example.invalid/x.git": {"there is no such host, or no network"},
		"git@git.example.invalid:x.git":       {"there is no such host, or no network"},
		"https://127.0.0.1:1/x.git":           {"nothing listens there"},
		"ssh://git@127.0.0.1:1/x.git":         {"nothing listens there"},
	} {
		_, err := s.store.Fetch(s.ctx(), Repository{URL: url})
		wants(t, err, append(says, "cannot fetch "+url)...)
	}
}
