package link_test

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/link"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/mongrel2test"
)

// While the disk under mongrel2's uploads does not answer, other requests go on; those
// behind an upload on its connection wait for it, and all are answered in their order
// when it does. What a client that went meanwhile has left is removed.
func TestUploadOnADiskThatStalls(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	l := open(t, s, 0, link.Events{Request: echo}, func(c *link.Config) { c.UploadTemplate = s.UploadTemplate })
	answers := make(chan struct{})
	answer := sync.OnceFunc(func() { close(answers) })
	t.Cleanup(answer)
	l.HoldDisk(answers)

	body := strings.Repeat("0123456789", 5000)
	const request = "POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n"
	up := dial(t, s).send(request + body)
	await.True(t, "the upload", func() bool { return l.Active() == 1 })
	goes := dial(t, s).send(request + body)
	await.True(t, "another one", func() bool { return l.Active() == 2 })
	for range 3 {
		c := dial(t, s).send("GET /other HTTP/1.1\r\nHost: h\r\n\r\n")
		if status, got := c.get("GET"); status != 200 || !strings.HasPrefix(got, "GET |/other?") {
			t.Errorf("beside an upload whose disk stalls: %d %.100q", status, got)
		}
	}
	before := l.Received()
	up.send("GET /behind HTTP/1.1\r\nHost: h\r\n\r\n")
	await.True(t, "the request behind it", func() bool { return l.Received() > before })
	before = l.Received()
	goes.Close()
	await.True(t, "the end of a client", func() bool { return l.Received() > before })
	if n := l.Active(); n != 2 {
		t.Errorf("%d requests are under way, want those whose bodies are being opened", n)
	}

	answer()
	if status, got := up.get("POST"); status != 200 || got != "POST |/up?|h|file 50000 50000:"+body {
		t.Errorf("%d %.100q", status, got)
	}
	if status, got := up.get("GET"); status != 200 || !strings.HasPrefix(got, "GET |/behind?") {
		t.Errorf("%d %.100q", status, got)
	}
	await.True(t, "nothing under way", func() bool { return l.Active() == 0 })
	if left := files(t, filepath.Join(s.Dir, "tmp")); len(left) != 0 {
		t.Errorf("left in tmp: %q", left)
	}
}

// A link that ends does not wait for the disk, and the client of an upload that nobody
// takes any more does not wait either.
func TestLinkEndsWhileTheDiskStalls(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	l := open(t, s, 0, link.Events{Request: echo})
	answers := make(chan struct{})
	answer := sync.OnceFunc(func() { close(answers) })
	t.Cleanup(answer)
	l.HoldDisk(answers)
	up := dial(t, s).send("POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n" + strings.Repeat("x", 50000))
	await.True(t, "the upload", func() bool { return l.Active() == 1 })
	l.Close()
	if got := up.rest(); got != "" {
		t.Errorf("%.100q", got)
	}
	answer()
	await.True(t, "no file left", func() bool { return len(files(t, filepath.Join(s.Dir, "tmp"))) == 0 })
}
