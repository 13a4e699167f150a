package runner

import (
	"crypto/tls"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// staticBlocks is one block of the folder app/static.
func staticBlocks(s *appspec.Spec) {
	s.Static = []appspec.Static{{URL: "/static/", Dir: "app/static", MaxAge: appspec.Duration(time.Hour)}}
}

// put writes a file that has not changed for an hour.
func (a *testApp) put(name, content string) {
	a.t.Helper()
	path := filepath.Join(a.spec.Path, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		a.t.Fatal(err)
	}
}

// ask sends a request with header lines and returns the response with its body.
func ask(t *testing.T, client *http.Client, method, url string, lines ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return resp, string(b)
}

// TestStaticFiles asks for files over HTTP/1, HTTPS and HTTP/2: all answer alike, and
// no worker hears of it.
func TestStaticFiles(t *testing.T) {
	t.Parallel()
	files := writeCertificate(t, t.TempDir())
	for _, proto := range []string{"plain", "HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			a := newTestApp(t, helloApp, func(s *appspec.Spec) {
				staticBlocks(s)
				s.Log.Access = true
				if proto != "plain" {
					s.Sockets.HTTP[0].TLS = files
				}
			})
			big := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
			a.put("app/static/css/a.css", "body { color: red }")
			a.put("app/static/css/a.css.gz", "this stands for gzip")
			a.put("app/static/big.bin", big)
			a.put("app/static/empty.txt", "")
			a.put("app/static/app.5f3c9a1b2d4e.js", "hashed()")
			a.put("app/static/.env", "SECRET=1")
			a.put("app/secret.txt", "secret")
			if err := os.Symlink("../secret.txt", filepath.Join(a.spec.Path, "app/static/out.txt")); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("css/a.css", filepath.Join(a.spec.Path, "app/static/in.css")); err != nil {
				t.Fatal(err)
			}
			if err := unix.Mkfifo(filepath.Join(a.spec.Path, "app/static/fifo"), 0o666); err != nil {
				t.Fatal(err)
			}
			h := a.start(StateReady)
			tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: proto == "HTTP/2.0", DisableCompression: true}
			defer tr.CloseIdleConnections()
			client := &http.Client{Transport: tr}
			base := a.url
			if proto != "plain" {
				base = "https://" + a.addr
			}
			for round := range 2 { // the second time what was found is remembered
				resp, body := ask(t, client, "GET", base+"/static/css/a.css")
				if resp.StatusCode != 200 || body != "body { color: red }" || resp.Header.Get("Content-Type") != "text/css; charset=utf-8" ||
					resp.Header.Get("Cache-Control") != "public, max-age=3600" || resp.Header.Get("Vary") != "Accept-Encoding" || resp.Header.Get("Date") == "" {
					t.Fatalf("round %d: %s %q %v", round, resp.Status, body, resp.Header)
				}
				etag := resp.Header.Get("ETag")
				if resp, body = ask(t, client, "GET", base+"/static/css/a.css", "If-None-Match: "+etag); resp.StatusCode != 304 || body != "" {
					t.Errorf("304: %s %q", resp.Status, body)
				}
				resp, body = ask(t, client, "GET", base+"/static/css/a.css", "Accept-Encoding: gzip")
				if body != "this stands for gzip" || resp.Header.Get("Content-Encoding") != "gzip" || resp.Header.Get("ETag") == etag {
					t.Errorf("gzip: %q %v", body, resp.Header)
				}
				if resp, body = ask(t, client, "HEAD", base+"/static/big.bin"); resp.StatusCode != 200 || resp.ContentLength != int64(len(big)) || body != "" {
					t.Errorf("HEAD: %s, length %d, %d bytes", resp.Status, resp.ContentLength, len(body))
				}
				if _, body = ask(t, client, "GET", base+"/static/big.bin"); body != big {
					t.Errorf("big file: %d bytes of %d", len(body), len(big))
				}
				resp, body = ask(t, client, "GET", base+"/static/big.bin", "Range: bytes=100000-899999")
				if resp.StatusCode != 206 || body != big[100000:900000] || resp.Header.Get("Content-Range") != fmt.Sprintf("bytes 100000-899999/%d", len(big)) {
					t.Errorf("range: %s %v %d bytes", resp.Status, resp.Header, len(body))
				}
				resp, body = ask(t, client, "GET", base+"/static/big.bin", "Range: bytes=5-6,-400000")
				if got := parts(t, resp, body); !slices.Equal(got, []string{big[5:7], big[len(big)-400000:]}) {
					t.Errorf("several ranges: %s, %d parts", resp.Status, len(got))
				}
				if resp, _ = ask(t, client, "GET", base+"/static/big.bin", "Range: bytes=9999999-"); resp.StatusCode != 416 || resp.Header.Get("Content-Range") != fmt.Sprintf("bytes */%d", len(big)) {
					t.Errorf("416: %s %v", resp.Status, resp.Header)
				}
				if resp, body = ask(t, client, "GET", base+"/static/empty.txt"); resp.StatusCode != 200 || body != "" || resp.ContentLength != 0 {
					t.Errorf("empty: %s %q", resp.Status, body)
				}
				if resp, _ = ask(t, client, "GET", base+"/static/app.5f3c9a1b2d4e.js"); resp.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
					t.Errorf("hashed: %v", resp.Header)
				}
				if resp, body = ask(t, client, "GET", base+"/static/in.css"); resp.StatusCode != 200 || body != "body { color: red }" {
					t.Errorf("link inside: %s %q", resp.Status, body)
				}
				if resp, _ = ask(t, client, "POST", base+"/static/css/a.css"); resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" {
					t.Errorf("POST: %s %v", resp.Status, resp.Header)
				}
				for _, name := range []string{"nothing.css", "css", "css/", "", "out.txt", ".env", "%2eenv", "fifo", "css/../css/a.css", "%2e%2e/secret.txt"} {
					if resp, body = ask(t, client, "GET", base+"/static/"+name); resp.StatusCode != 200 || !strings.HasPrefix(body, "hello") {
						t.Errorf("%q did not go on to the app: %s %q", name, resp.Status, body)
					}
				}
			}
			st := a.wait(h, func(st Status) bool { return st.Requests.Static == 24 })
			if st.Counters.Static[304] != 2 || st.Counters.Static[206] != 4 || st.Counters.Static[405] != 2 || st.Counters.StaticBytes < 2*uint64(len(big)) || st.Requests.Total != 20 {
				t.Errorf("counted: %+v, requests %d", st.Counters, st.Requests.Total)
			}
			waitForLog(t, a, `"GET /static/css/a.css HTTP/`)
			// A new content is a new answer, at once.
			_, _ = ask(t, client, "GET", base+"/static/css/a.css")
			if err := os.WriteFile(filepath.Join(a.spec.Path, "app/static/new.css"), []byte("new"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(a.spec.Path, "app/static/new.css"), filepath.Join(a.spec.Path, "app/static/css/a.css")); err != nil {
				t.Fatal(err)
			}
			if _, body := ask(t, client, "GET", base+"/static/css/a.css"); body != "new" {
				t.Errorf("after a change: %q", body)
			}
			if err := os.Remove(filepath.Join(a.spec.Path, "app/static/css/a.css")); err != nil {
				t.Fatal(err)
			}
			// Its compressed form is still there, and stands for nothing now.
			if _, body := ask(t, client, "GET", base+"/static/css/a.css", "Accept-Encoding: gzip"); !strings.HasPrefix(body, "hello") {
				t.Errorf("after it was removed: %q", body)
			}
		})
	}
}

// parts reads a multipart/byteranges body.
func parts(t *testing.T, resp *http.Response, body string) (all []string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/byteranges" {
		t.Errorf("Content-Type %q: %v", resp.Header.Get("Content-Type"), err)
		return nil
	}
	r := multipart.NewReader(strings.NewReader(body), params["boundary"])
	for {
		p, err := r.NextRawPart()
		if err != nil {
			return all
		}
		b, _ := io.ReadAll(p)
		all = append(all, string(b))
	}
}

func waitForLog(t *testing.T, a *testApp, text string) {
	t.Helper()
	await.True(t, fmt.Sprintf("%q in the log", text), func() bool { return strings.Contains(a.logText(), text) }, func() any { return a.logText() })
}

// TestStaticPipelined sends requests for files and for the app in one go: the answers
// come in their order, whatever waits for the disk, and a body that comes with one is
// not taken for the next request.
func TestStaticPipelined(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, helloApp, staticBlocks)
	big := strings.Repeat("x", 3<<20)
	a.put("app/static/a.txt", "a file")
	a.put("app/static/big.bin", big)
	a.start(StateReady)
	c, err := net.Dial("tcp", a.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	const get = " HTTP/1.1\r\nHost: x\r\n\r\n"
	go func() {
		_, _ = io.WriteString(c, "GET /static/a.txt"+get+"GET /one"+get+"GET /static/big.bin"+get+"GET /static/none"+get+"HEAD /static/a.txt"+get+
			"GET /static/a.txt"+get+"POST /static/a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\nGET / HTTP/1")
	}()
	all, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for rest := string(all); rest != ""; {
		head, body, ok := strings.Cut(rest, "\r\n\r\n")
		if !ok {
			t.Fatalf("no head: %.200q", rest)
		}
		length := 0
		for line := range strings.SplitSeq(head, "\r\n") {
			_, _ = fmt.Sscanf(line, "Content-Length: %d", &length)
		}
		if len(got) == 4 {
			length = 0 // of the HEAD
		}
		if len(body) < length {
			t.Fatalf("answer %d is short: %d of %d bytes", len(got), len(body), length)
		}
		got = append(got, head[9:12]+" "+body[:min(length, 6)])
		rest = body[length:]
	}
	for i := range got {
		if strings.HasPrefix(got[i], "200 hello") {
			got[i] = "200 hello"
		}
	}
	if want := []string{"200 a file", "200 hello", "200 xxxxxx", "200 hello", "200 ", "200 a file", "405 405 Me"}; !slices.Equal(got, want) {
		t.Errorf("answers %q, want %q", got, want)
	}
}

// TestStaticFileThatIsCut: a file that gets shorter while it is sent ends the
// connection, so that the client does not take it for whole.
func TestStaticFileThatIsCut(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, helloApp, staticBlocks)
	a.put("app/static/big.bin", strings.Repeat("x", 32<<20))
	a.start(StateReady)
	resp, err := http.Get(a.url + "/static/big.bin")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := os.Truncate(filepath.Join(a.spec.Path, "app/static/big.bin"), 20<<20); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, resp.Body); err == nil || n > 20<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
	waitForLog(t, a, "GET /static/big.bin: a file that is sent ended before its length")
}

// TestStaticChangesLive: blocks come and go with the spec, and no worker is replaced.
func TestStaticChangesLive(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, helloApp, nil)
	a.put("app/static/a.txt", "a file")
	a.put("shared/media/b.txt", "another")
	h := a.start(StateReady)
	before := pids(a.wait(h, func(st Status) bool { return st.State == StateReady }))
	if _, body := a.get("/static/a.txt"); !strings.HasPrefix(body, "hello") {
		t.Fatalf("without a block: %q", body)
	}
	spec := *a.spec
	staticBlocks(&spec)
	spec.Static = append(spec.Static, appspec.Static{URL: "/media/", Dir: "shared/media"}, appspec.Static{URL: "/none/", Dir: "app/none"})
	if kind := appspec.Kind(appspec.Diff(a.spec, &spec)); kind != appspec.Live {
		t.Fatalf("the change is %v", kind)
	}
	if err := h.Update(a.ctx(), &spec, 2, false); err != nil {
		t.Fatal(err)
	}
	if _, body := a.get("/static/a.txt"); body != "a file" {
		t.Errorf("with a block: %q", body)
	}
	if _, body := a.get("/media/b.txt"); body != "another" {
		t.Errorf("with another block: %q", body)
	}
	st := a.wait(h, func(st Status) bool { return len(st.Warnings) > 0 })
	if want := `static "/none/": cannot open app/none: no such file or directory; the app answers instead`; !slices.Contains(st.Warnings, want) {
		t.Errorf("warnings %q, want %q", st.Warnings, want)
	}
	a.put("app/none/c.txt", "made later")
	a.wait(h, func(st Status) bool { return len(st.Warnings) == 0 })
	if _, body := a.get("/none/c.txt"); body != "made later" {
		t.Errorf("a folder that was made later: %q", body)
	}
	if err := h.Update(a.ctx(), a.spec, 3, false); err != nil {
		t.Fatal(err)
	}
	if _, body := a.get("/static/a.txt"); !strings.HasPrefix(body, "hello") {
		t.Errorf("the block is gone: %q", body)
	}
	if after := pids(a.wait(h, func(st Status) bool { return st.State == StateReady })); !equalPIDs(before, after) {
		t.Errorf("workers %v, before %v", after, before)
	}
}

func equalPIDs(a, b map[int]bool) bool {
	for pid := range a {
		if !b[pid] {
			return false
		}
	}
	return len(a) == len(b)
}

// TestStaticOfARelease: the files are those of the release that the workers run, and
// hashed names of the release before are still to be had.
func TestStaticOfARelease(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, helloApp, staticBlocks)
	for _, r := range []string{"1", "2"} {
		a.put("releases/"+r+"/app.py", helloApp)
		a.put("releases/"+r+"/static/a.txt", "release "+r)
		a.put("releases/"+r+"/static/app.00000000000"+r+"a.css", "hashed "+r)
	}
	a.put("releases/1/static/old.txt", "old")
	a.spec.Release = &appspec.Release{ID: "1", Dir: "releases/1"}
	h := a.start(StateReady)
	if _, body := a.get("/static/a.txt"); body != "release 1" {
		t.Fatalf("before: %q", body)
	}
	spec := *a.spec
	spec.Release = &appspec.Release{ID: "2", Dir: "releases/2"}
	broken := spec
	broken.WSGIApp = "nothing:application"
	if err := h.Update(a.ctx(), &broken, 2, true); err != nil {
		t.Fatal(err)
	}
	a.wait(h, func(st Status) bool { return st.RolloutError != "" })
	if _, body := a.get("/static/a.txt"); body != "release 1" {
		t.Errorf("after a rollout that was given up: %q", body)
	}
	if err := h.Update(a.ctx(), &spec, 3, true); err != nil {
		t.Fatal(err)
	}
	want := Digest(&spec)
	a.wait(h, func(st Status) bool { return st.State == StateReady && st.SpecDigest == want })
	for path, want := range map[string]string{"a.txt": "release 2", "app.000000000002a.css": "hashed 2", "app.000000000001a.css": "hashed 1"} {
		if _, body := a.get("/static/" + path); body != want {
			t.Errorf("%s: %q, want %q", path, body, want)
		}
	}
	if _, body := a.get("/static/old.txt"); !strings.HasPrefix(body, "hello") {
		t.Errorf("what is no more: %q", body)
	}
}

// TestStaticRights: what the app's user cannot read is not served, though the master
// could read it.
func TestStaticRights(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	t.Parallel()
	a := newTestApp(t, helloApp, staticBlocks)
	a.put("app/static/open.txt", "open")
	a.put("app/static/closed.txt", "closed")
	a.put("app/static/inner/a.txt", "inner")
	a.put("app/static/group.txt", "of its group")
	static := filepath.Join(a.spec.Path, "app/static")
	for _, err := range []error{
		os.Chmod(filepath.Join(static, "closed.txt"), 0o600), // root's
		os.Chmod(filepath.Join(static, "inner"), 0o700),
		os.Chmod(filepath.Join(static, "group.txt"), 0o640),
		os.Chown(filepath.Join(static, "group.txt"), 0, 33),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	a.start(StateReady)
	for range 2 {
		for path, want := range map[string]string{"open.txt": "open", "group.txt": "of its group", "closed.txt": "hello", "inner/a.txt": "hello"} {
			if _, body := a.get("/static/" + path); !strings.HasPrefix(body, want) {
				t.Errorf("%s: %q, want %q", path, body, want)
			}
		}
	}
	waitForLog(t, a, "the app's user may not read it")
	// From one moment to the next.
	_, _ = a.get("/static/open.txt")
	if err := os.Chmod(filepath.Join(static, "open.txt"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, body := a.get("/static/open.txt"); !strings.HasPrefix(body, "hello") {
		t.Errorf("closed a moment ago: %q", body)
	}
}

// TestStaticColdFile: a file that must be read from the disk comes whole, and the app
// is answered meanwhile.
func TestStaticColdFile(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, helloApp, staticBlocks)
	big := strings.Repeat("0123456789abcdef", 12<<16)
	a.put("app/static/big.bin", big)
	a.start(StateReady)
	for range 3 {
		f, err := os.Open(filepath.Join(a.spec.Path, "app/static/big.bin"))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		resp, err := http.Get(a.url + "/static/big.bin")
		if err != nil {
			t.Fatal(err)
		}
		if status, body := a.get("/"); status != 200 || !strings.HasPrefix(body, "hello") {
			t.Errorf("the app meanwhile: %d %q", status, body)
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || string(b) != big {
			t.Errorf("%d bytes of %d, %v", len(b), len(big), err)
		}
	}
}

// TestStaticInAChroot: the folder is that of the app folder, by its path below it and
// by its whole path.
func TestStaticInAChroot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	t.Parallel()
	a := newTestApp(t, helloApp, func(s *appspec.Spec) {
		s.Chroot = true
		staticBlocks(s)
		s.Static = append(s.Static, appspec.Static{URL: "/media/", Dir: filepath.Join(s.Path, "shared/media")})
	})
	a.put("app/static/a.txt", "a file")
	a.put("shared/media/b.txt", "another")
	a.start(StateReady)
	for path, want := range map[string]string{"/static/a.txt": "a file", "/media/b.txt": "another", "/static/none": "hello"} {
		if _, body := a.get(path); !strings.HasPrefix(body, want) {
			t.Errorf("%s: %q, want %q", path, body, want)
		}
	}
}
