package pool

import (
	"os"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// What a process has written before its end is told also where a busy machine reads it
// late; the end of what its children hold open is not waited for.
func TestLastWordsThatAreReadLate(t *testing.T) {
	was := wordsMost
	wordsMost = 10 * time.Minute
	defer func() { wordsMost = was }()
	loop, err := evloop.New()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- loop.Run() }()
	for name, c := range map[string]struct {
		written, want string
	}{
		"written":               {"no licence\n", "no licence"},
		"a child holds it open": {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			if _, err := w.WriteString(c.written); err != nil {
				t.Fatal(err)
			}
			read, told := make(chan struct{}), make(chan string, 1)
			var l LastWords
			l.follow(loop, r, func() string {
				<-read
				return "no licence"
			})
			begun := time.Now()
			loop.Call(func() { l.Await(loop, func() { told <- l.line }) })
			if c.want != "" {
				await.True(t, "the time in which its end is waited for", func() bool { return time.Since(begun) > 2*wordsPatience })
				close(read)
			}
			if got := <-told; got != c.want {
				t.Errorf("told is %q, want %q", got, c.want)
			}
			if c.want == "" {
				close(read)
			}
		})
	}
	loop.Post(loop.Stop)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
