package static

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/nginxtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// answer is what a client sees of a response.
type answer struct {
	status int
	header http.Header
	body   string
}

// startNginx serves a folder at /static/ by the real nginx, and returns its socket.
func startNginx(t *testing.T, files string) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	nginxtest.Start(t, socket, fmt.Sprintf(`listen unix:%s;
    types { text/css css; }
    location /static/ { alias %s/; gzip_static on; gzip_vary on; expires 1h; }`, socket, files))
	return socket
}

// askNginx sends one request to nginx.
func askNginx(t *testing.T, socket, method, path string, lines []string) answer {
	t.Helper()
	tr := &http.Transport{DisableCompression: true, DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", socket) }}
	req, err := http.NewRequest(method, "http://x"+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		req.Header.Add(name, value)
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// sink puts a response together.
type sink struct {
	head []byte
	body strings.Builder
}

func (s *sink) Head(h *wsgi.ResponseHead, body []byte, _ bool) {
	s.head, _ = http1.AppendHead(nil, h, &http1.HeadOptions{Proto: "HTTP/1.1", KeepAlive: true, BodyLength: int64(len(body))})
	s.body.Write(body)
}
func (s *sink) Data(b []byte, _ bool) { s.body.Write(b) }
func (s *sink) File(f *os.File, off, n int64, _ bool) {
	defer f.Close()
	_, _ = io.Copy(&s.body, io.NewSectionReader(f, off, n))
}
func (s *sink) Fail(int, string) {}

// askOurs has a Site answer.
func askOurs(t *testing.T, site *Site, method, path string, lines []string) answer {
	t.Helper()
	r := &wsgi.Request{Method: []byte(method), Path: []byte(path)}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		r.Headers = append(r.Headers, wsgi.Header{Name: []byte(name), Value: []byte(value)})
	}
	var q Query
	if !site.Match(r, &q) {
		return answer{status: 404}
	}
	f, state := site.Try(&q)
	if state == Unknown {
		looked := make(chan Found)
		site.Look(&q, func(f Found) { looked <- f })
		f = <-looked
	}
	if !f.Is() {
		return answer{status: 404}
	}
	s := &sink{}
	a := NewAnswer(&q, f)
	var buf []byte
	a.Send(s, &buf, true)
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(string(s.head))), &http.Request{Method: "HEAD"})
	if err != nil {
		t.Fatalf("%q: %v", s.head, err)
	}
	return answer{a.Status, resp.Header, s.body.String()}
}

// TestLikeNginx asks nginx and us for the same files: where both follow RFC 9110,
// they answer alike.
func TestLikeNginx(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("body { color: red }\n", 500)
	for name, content := range map[string]string{"a.css": text, "a.css.gz": "not gzip, which nobody looks at", "sub/b.bin": "0123456789", "empty.css": ""} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	// nginx runs as nobody where it was started by root.
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		_ = os.Chmod(d, 0o755)
	}
	socket := startNginx(t, dir)
	site := New(Options{Blocks: []Block{{URL: "/static/", Dir: dir, MaxAge: time.Hour}}, Folder: -1, Crew: &Crew{}}, nil)
	t.Cleanup(func() { site.Retire(nil) })
	date := askNginx(t, socket, "GET", "/static/a.css", nil).header.Get("Last-Modified")
	future := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for _, c := range []struct {
		method, path string
		lines        []string
	}{
		{"GET", "/static/a.css", nil},
		{"HEAD", "/static/a.css", nil},
		{"GET", "/static/sub/b.bin", nil},
		{"GET", "/static/empty.css", nil},
		{"GET", "/static/none.css", nil},
		{"GET", "/static/sub%2fb.bin", nil},
		{"GET", "/static/%61.css", nil},
		{"POST", "/static/a.css", nil},
		{"DELETE", "/static/a.css", nil},
		{"GET", "/static/a.css", []string{"Accept-Encoding: gzip"}},
		{"GET", "/static/a.css", []string{"Accept-Encoding: gzip;q=0"}},
		{"GET", "/static/a.css", []string{"Accept-Encoding: deflate, gzip;q=0.5"}},
		{"GET", "/static/a.css", []string{"Accept-Encoding: br"}},
		{"GET", "/static/a.css", []string{"Range: bytes=0-9"}},
		{"GET", "/static/a.css", []string{"Range: bytes=100-"}},
		{"GET", "/static/a.css", []string{"Range: bytes=-100"}},
		{"GET", "/static/a.css", []string{"Range: bytes=-1000000"}},
		{"GET", "/static/a.css", []string{"Range: bytes=9990-1000000"}},
		{"GET", "/static/a.css", []string{"Range: bytes=1000000-"}},
		{"GET", "/static/a.css", []string{"Range: bytes=-0"}},
		{"GET", "/static/a.css", []string{"Range: bytes=0-1,100-102"}},
		{"GET", "/static/a.css", []string{"Range: bytes=0-1,1000000-"}},
		{"GET", "/static/a.css", []string{"Range: lines=0-1"}},
		{"GET", "/static/a.css", []string{"If-Modified-Since: " + date}},
		{"GET", "/static/a.css", []string{"If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"}},
		{"GET", "/static/a.css", []string{"If-Modified-Since: Thu, 01 Jan 1998 00:00:00 GMT"}},
		{"GET", "/static/a.css", []string{"If-Unmodified-Since: Thu, 01 Jan 1998 00:00:00 GMT"}},
		{"GET", "/static/a.css", []string{"If-Unmodified-Since: " + future}},
		{"GET", "/static/a.css", []string{`If-None-Match: "no"`}},
		{"GET", "/static/a.css", []string{"If-None-Match: *"}},
		{"GET", "/static/a.css", []string{"If-None-Match: ETAG"}},
		{"GET", "/static/a.css", []string{`If-None-Match: "no", W/ETAG`}},
		{"GET", "/static/a.css", []string{"If-Match: ETAG"}},
		{"GET", "/static/a.css", []string{`If-Match: "no"`}},
		{"GET", "/static/a.css", []string{"If-None-Match: ETAG", "Range: bytes=0-1"}},
		{"GET", "/static/a.css", []string{"If-Range: ETAG", "Range: bytes=0-1"}},
		{"GET", "/static/a.css", []string{`If-Range: "no"`, "Range: bytes=0-1"}},
		{"GET", "/static/a.css", []string{"If-Range: " + date, "Range: bytes=0-1"}},
	} {
		with := func(etag string) []string {
			var lines []string
			for _, l := range c.lines {
				lines = append(lines, strings.ReplaceAll(l, "ETAG", etag))
			}
			return lines
		}
		theirs := askNginx(t, socket, c.method, c.path, with(askNginx(t, socket, "HEAD", c.path, nil).header.Get("ETag")))
		ours := askOurs(t, site, c.method, c.path, with(strongTag(t, site, c.path)))
		what := c.method + " " + c.path + " " + strings.Join(c.lines, ", ")
		if ours.status != theirs.status {
			t.Errorf("%s: %d, nginx %d", what, ours.status, theirs.status)
			continue
		}
		if ours.status >= 400 {
			if r := ours.header.Get("Content-Range"); r != theirs.header.Get("Content-Range") {
				t.Errorf("%s: Content-Range %q, nginx %q", what, r, theirs.header.Get("Content-Range"))
			}
			continue // the body says it in other words
		}
		if several := strings.HasPrefix(theirs.header.Get("Content-Type"), "multipart/"); several {
			if !strings.HasPrefix(ours.header.Get("Content-Type"), "multipart/byteranges; boundary=") {
				t.Errorf("%s: Content-Type %q", what, ours.header.Get("Content-Type"))
			}
			continue // the boundary is anything
		}
		if ours.body != theirs.body {
			t.Errorf("%s: %d bytes, nginx %d", what, len(ours.body), len(theirs.body))
		}
		names := []string{"Content-Range", "Content-Encoding", "Last-Modified", "Content-Length", "Accept-Ranges", "Vary"}
		if ours.status == 206 {
			names = slices.DeleteFunc(names, func(n string) bool { return n == "Accept-Ranges" })
		}
		for _, name := range names {
			mine, other := ours.header.Get(name), theirs.header.Get(name)
			if name == "Content-Length" && other == "" || name == "Vary" && other == "" || name == "Accept-Ranges" && theirs.header.Get("Content-Encoding") != "" {
				continue // it says less
			}
			if mine != other {
				t.Errorf("%s: %s %q, nginx %q", what, name, mine, other)
			}
		}
	}
}

// strongTag waits until the ETag of a file is strong: it was changed a moment ago.
func strongTag(t *testing.T, site *Site, path string, lines ...string) string {
	t.Helper()
	var tag string
	await.True(t, "a strong ETag of "+path, func() bool {
		a := askOurs(t, site, "HEAD", path, lines)
		tag = a.header.Get("ETag")
		return a.status == 404 || !strings.HasPrefix(tag, "W/")
	}, func() any { return tag })
	return tag
}
