package static

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/componenttest"
)

// startWhiteNoise serves a folder at /static/ by the WhiteNoise of Debian's Python, and
// returns its socket.
func startWhiteNoise(t *testing.T, files string) string {
	t.Helper()
	const name = "whitenoise"
	if testing.Short() {
		t.Skip("starts Python")
	}
	componenttest.Wanted(t, name)
	const python = "/usr/bin/python3" // the one that has Debian's packages
	if out, err := exec.Command(python, "-c", "import whitenoise").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s: install python3-whitenoise, or name %s in WSGID_TEST_SKIP", err, out, name)
	}
	socket := filepath.Join(t.TempDir(), "s")
	cmd := exec.Command(python, filepath.Join("testdata", "serve_whitenoise.py"), socket, files)
	said := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() && said.Len() > 0 {
			t.Logf("serve_whitenoise.py: %s", said)
		}
	})
	await.True(t, "WhiteNoise listens", func() bool {
		c, err := net.Dial("unix", socket)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, func() any { return socket })
	return socket
}

// TestNoPeerIsAnOracle asks nginx, WhiteNoise and us for a file that lies there compressed
// too. Each peer departs from RFC 9110 somewhere, so each row says who does (nginx 1.22.1,
// WhiteNoise 6.0.0; a later one may have come round); where a peer does not, it and we answer alike.
func TestNoPeerIsAnOracle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour)
	plain, coded := strings.Repeat("body { color: red }\n", 500), "what a client with gzip is given"
	for name, content := range map[string]string{"a.css": plain, "a.css.gz": coded} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	// nginx runs as nobody where it was started by root.
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		_ = os.Chmod(d, 0o755)
	}
	site := New(Options{Blocks: []Block{{URL: "/static/", Dir: dir, MaxAge: time.Hour}}, Folder: -1, Crew: &Crew{}}, nil)
	t.Cleanup(func() { site.Retire(nil) })
	const path, gzipped = "/static/a.css", "Accept-Encoding: gzip"
	nginx, whiteNoise := startNginx(t, dir), startWhiteNoise(t, dir)
	strongTag(t, site, path)
	strongTag(t, site, path, gzipped)
	askers := map[string]func(lines ...string) answer{
		"ours":       func(lines ...string) answer { return askOurs(t, site, "GET", path, lines) },
		"nginx":      func(lines ...string) answer { return askNginx(t, nginx, "GET", path, lines) },
		"WhiteNoise": func(lines ...string) answer { return askNginx(t, whiteNoise, "GET", path, lines) },
	}
	tagOf := func(who string, lines ...string) string {
		tag := askers[who](lines...).header.Get("ETag")
		if tag == "" {
			t.Fatalf("%s has no ETag for %q", who, lines)
		}
		return tag
	}
	if a, b := tagOf("nginx"), tagOf("WhiteNoise"); a != b {
		t.Logf("ETags of the plain form: nginx %s, WhiteNoise %s; they were equal", a, b)
	}
	if a, b := tagOf("ours"), tagOf("ours", gzipped); a == b {
		t.Errorf("both forms have the ETag %s", a)
	}
	for _, c := range []struct {
		what   string
		lines  []string // PLAIN and GZIP stand for the ETags of the two forms
		status int
		body   string
		depart string // who answers otherwise
	}{
		{"plain", nil, http.StatusOK, plain, ""},
		{"compressed", []string{gzipped}, http.StatusOK, coded, ""},
		{"compressed is refused", []string{"Accept-Encoding: gzip;q=0"}, http.StatusOK, plain, "WhiteNoise"},
		{"own tag", []string{"If-None-Match: PLAIN"}, http.StatusNotModified, "", ""},
		{"own tag of the compressed form", []string{gzipped, "If-None-Match: GZIP"}, http.StatusNotModified, "", ""},
		{"tag of the other form", []string{gzipped, "If-None-Match: PLAIN"}, http.StatusOK, coded, "WhiteNoise"},
		{"tag made weak on its way", []string{"If-None-Match: W/PLAIN"}, http.StatusNotModified, "", "WhiteNoise"},
		{"tag in a list", []string{`If-None-Match: "no", PLAIN`}, http.StatusNotModified, "", "WhiteNoise"},
		{"any", []string{"If-None-Match: *"}, http.StatusNotModified, "", "WhiteNoise"},
		{"range", []string{"Range: bytes=2-5"}, http.StatusPartialContent, plain[2:6], ""},
		{"range of the compressed form", []string{gzipped, "Range: bytes=2-5"}, http.StatusPartialContent, coded[2:6], "nginx"},
		{"range beyond the compressed form", []string{gzipped, "Range: bytes=100-"}, http.StatusRequestedRangeNotSatisfiable, "", "nginx"},
		{"range up to beyond the end", []string{"Range: bytes=9990-1000000"}, http.StatusPartialContent, plain[9990:], ""},
		{"last bytes, more than there are", []string{"Range: bytes=-1000000"}, http.StatusPartialContent, plain, ""},
		{"range of the compressed form, if it is that", []string{gzipped, "Range: bytes=2-5", "If-Range: GZIP"}, http.StatusPartialContent, coded[2:6], "nginx"},
		{"range, if it is another", []string{"Range: bytes=2-5", `If-Range: "no"`}, http.StatusOK, plain, "WhiteNoise"},
		{"range, if it is the other form", []string{gzipped, "Range: bytes=2-5", "If-Range: PLAIN"}, http.StatusOK, coded, "WhiteNoise"},
	} {
		for who, ask := range askers {
			lines := make([]string, 0, len(c.lines))
			for _, l := range c.lines {
				if strings.Contains(l, "PLAIN") {
					l = strings.ReplaceAll(l, "PLAIN", tagOf(who))
				}
				if strings.Contains(l, "GZIP") {
					l = strings.ReplaceAll(l, "GZIP", tagOf(who, gzipped))
				}
				lines = append(lines, l)
			}
			a := ask(lines...)
			right := a.status == c.status && (a.body == c.body || c.status >= 400)
			switch {
			case !right && !strings.Contains(c.depart, who):
				t.Errorf("%s: %s: %d and %d bytes, want %d and %d", c.what, who, a.status, len(a.body), c.status, len(c.body))
			case right && strings.Contains(c.depart, who):
				t.Logf("%s: this %s does as RFC 9110 has it", c.what, who)
			}
		}
	}
}
