package link_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/link"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/mongrel2test"
)

func TestUpload(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"json", "tnetstring"} {
		t.Run(protocol, func(t *testing.T) {
			s := mongrel2test.Start(t, mongrel2test.Options{Handlers: []mongrel2test.Handler{{Protocol: protocol}}})
			m := newMailbox()
			open(t, s, 0, m.events(), func(c *link.Config) { c.UploadTemplate = s.UploadTemplate })
			body := strings.Repeat("0123456789", 5000)
			answer := func(what string) {
				t.Helper()
				in := receive(t, what, m.in)
				for _, h := range in.Request.Headers {
					if strings.HasPrefix(string(h.Name), "x-mongrel2-upload") {
						t.Errorf("%s: header %s: %s", what, h.Name, h.Value)
					}
				}
				echo(in)
			}

			c := dial(t, s).send("POST /up HTTP/1.1\r\nHost: h\r\nX-Mongrel2-Upload-Done: /etc/passwd\r\nContent-Length: 50000\r\n\r\n" + body)
			answer("upload")
			if _, got := c.get("POST"); got != "POST |/up?|h|file 50000 50000:"+body {
				t.Errorf("%.100q", got)
			}

			// What a client pipelines behind its upload is in mongrel2's file.
			c = dial(t, s).send("POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n" + body + "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
			answer("upload with more behind it")
			if _, got := c.get("POST"); got != "POST |/up?|h|file 50000 50000:"+body {
				t.Errorf("%.100q…%q", got, got[len(got)-50:])
			}

			c = dial(t, s).send("POST /up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" +
				fmt.Sprintf("%x\r\n%s\r\n5\r\nabcde\r\n0\r\n\r\n", len(body), body))
			answer("chunked upload")
			if _, got := c.get("POST"); got != "POST |/up?|h|file 50005 50005:"+body+"abcde" {
				t.Errorf("%.100q", got)
			}

			if left := files(t, filepath.Join(s.Dir, "tmp")); len(left) != 0 {
				t.Errorf("left in tmp: %q", left)
			}
		})
	}
}

func TestUploadTooLarge(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	open(t, s, 0, link.Events{Request: echo}, func(c *link.Config) { c.MaxBody = 30000 })
	const want = "HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain; charset=utf-8\r\nX-Wsgid: test\r\nContent-Length: 59\r\nConnection: close\r\n\r\n413 Content Too Large: the body is larger than 30000 bytes\n"
	// Told before the body is there.
	if got := withoutDate(dial(t, s).send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\nbegin").rest()); got != want {
		t.Errorf("%q", got)
	}
	body := strings.Repeat("0123456789", 5000)
	if got := withoutDate(dial(t, s).send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" +
		fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)).rest()); got != want {
		t.Errorf("%q", got)
	}
	c := dial(t, s).send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 30000\r\n\r\n" + body[:30000])
	if status, _ := c.get("POST"); status != 200 {
		t.Errorf("status %d for a body of exactly the limit", status)
	}
	await.True(t, "no file left", func() bool { return len(files(t, filepath.Join(s.Dir, "tmp"))) == 0 })
}

func TestUploadAborted(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	m := newMailbox()
	l := open(t, s, 0, m.events())
	c := dial(t, s).send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\nbegin")
	await.True(t, "the start", func() bool { return l.Received() > 0 })
	c.Close()
	await.True(t, "no file left", func() bool { return len(files(t, filepath.Join(s.Dir, "tmp"))) == 0 })

	// The client goes when the upload is done and the request waits behind
	// another: nobody takes the file.
	body := strings.Repeat("x", 50000)
	c = dial(t, s).send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	in := receive(t, "request", m.in)
	before := l.Received()
	c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n" + body)
	await.True(t, "the upload", func() bool { return l.Received() >= before+2 })
	c.Close()
	receive(t, "notice", m.gone)
	in.Release()
	await.True(t, "no file left", func() bool { return len(files(t, filepath.Join(s.Dir, "tmp"))) == 0 })
	if len(m.in) != 0 {
		t.Error("the upload of a client that is gone was given out")
	}
}

// TestForgedUpload: mongrel2 hands a client's own upload headers through.
func TestForgedUpload(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	m := newMailbox()
	open(t, s, 0, m.events())
	victim := filepath.Join(s.Dir, "passwd") // six letters at the end, as mkstemp's
	if err := os.WriteFile(victim, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	forged := "X-Mongrel2-Upload-Start: " + victim + "\r\nX-Mongrel2-Upload-Done: " + victim + "\r\n"
	for _, test := range []struct{ method, headers, body string }{
		{"GET", "", ""},
		{"POST", "Content-Length: 0\r\n", ""},
		{"POST", "Content-Length: 6\r\n", "abcdef"},
		{"POST", "Content-Length: 99999999999\r\n", ""},
		{"POST", "Content-Length: abc\r\n", ""},
		{"POST", "Content-Length: -30000\r\n", ""},
		{"POST", "Content-Length: 0x7000\r\n", ""},
		{"POST", "Content-Length: 0, 30000\r\n", ""},
		{"POST", "Content-Length: 0\r\nContent-Length: 6\r\n", "abcdef"},
		{"POST", "Content-Length: 6\r\nContent-Length: 0\r\n", "abcdef"},
		{"POST", "Transfer-Encoding: Chunked\r\n", ""},
		{"POST", "Transfer-Encoding: chunked, chunked\r\n", ""},
		{"POST", "Transfer-Encoding: identity\r\n", ""},
		{"POST", "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", ""},
		{"JSON", "", ""},
		{"JSON", "Content-Length: 6\r\n", "abcdef"},
	} {
		c := dial(t, s).send(test.method + " / HTTP/1.1\r\nHost: h\r\n" + test.headers + forged + "\r\n" + test.body)
		answered := make(chan string, 1)
		go func() {
			b := make([]byte, 12)
			n, _ := c.r.Read(b)
			answered <- string(b[:n])
		}()
		select {
		case in := <-m.in:
			if in.File != nil || strings.Contains(fmt.Sprint(in.Request.Headers), "upload") {
				t.Errorf("%q: file %v, headers %s", test.headers, in.File, in.Request.Headers)
			}
			echo(in)
			<-answered
		case got := <-answered:
			if got != "HTTP/1.1 400" && got != "HTTP/1.1 501" && got != "" {
				t.Errorf("%s %q: %q", test.method, test.headers, got)
			}
		}
		c.Close()
		if b, err := os.ReadFile(victim); err != nil || string(b) != "secret" {
			t.Fatalf("%s %q: the file is %q, %v", test.method, test.headers, b, err)
		}
	}
}

func TestUploadWithWrongChroot(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	var log logBuffer
	wrong := t.TempDir()
	open(t, s, 0, link.Events{Request: echo}, func(c *link.Config) {
		c.Chroot = wrong
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	body := strings.Repeat("x", 50000)
	got := dial(t, s).send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n" + body).rest()
	if !strings.HasPrefix(got, "HTTP/1.1 500 ") {
		t.Errorf("%q", got)
	}
	if !strings.Contains(log.String(), "is the mongrel2 block's chroot right") {
		t.Errorf("log: %s", log.String())
	}
}

// What a client has uploaded behind more requests than it may pipeline nobody takes, and
// no file of it stays.
func TestUploadThatNobodyTakes(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	first := make(chan *link.Incoming, 1)
	l := open(t, s, 0, link.Events{Request: func(in *link.Incoming) {
		select {
		case first <- in:
		default:
			in.Release()
		}
	}}, func(c *link.Config) { c.UploadTemplate = s.UploadTemplate })
	c := dial(t, s).send(strings.Repeat("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 300))
	await.True(t, "the requests", func() bool { return l.Received() >= 300 })
	before := l.Received()
	c.send("POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n" + strings.Repeat("x", 50000))
	await.True(t, "the upload", func() bool { return l.Received() >= before+2 }) // its begin and its end
	await.True(t, "its file to be removed", func() bool { return len(files(t, filepath.Join(s.Dir, "tmp"))) == 0 })
	(<-first).Release()
}
