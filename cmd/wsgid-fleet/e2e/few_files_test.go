package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// fewFiles runs a command that may have so many files open, and masters that it starts.
func (b *harness) fewFiles(limit int, command string, args ...string) output {
	b.t.Helper()
	all := []string{"-c", `ulimit -n ` + strconv.Itoa(limit) + ` && exec "$0" "$@"`, b.program(), command, "--dir", b.specs}
	if b.who.root() {
		all = append(all, "--state-dir", b.state)
	}
	return b.command("/bin/sh", append(all, args...)...)
}

// A master that may have few files open serves all who come, those too whom it cannot accept
// yet, while its workers are replaced. One that has too few for a worker says so, and what to do.
func TestMastersWithFewFiles(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		b := newHarness(t, who)
		b.only("hello")
		for _, limit := range []int{64, 256} {
			if out := b.fewFiles(limit, "start", "hello"); out.code != 0 {
				t.Fatalf("with %d files: %v", limit, out)
			}
			was := b.await("hello", "ready", 2)
			var clients sync.WaitGroup
			faults := make(chan string, 200)
			for range 200 {
				clients.Go(func() {
					if code, body, err := get(b.hello, "/"); err != nil || code != http.StatusOK || !strings.Contains(body, "Hello from worker ") {
						faults <- fmt.Sprintf("%d %q, %v", code, body, err)
					}
				})
			}
			b.ok("reload", "hello")
			clients.Wait()
			close(faults)
			for fault := range faults {
				t.Errorf("with %d files: %s", limit, fault)
			}
			if now := b.await("hello", "ready", 2); now.Master.PID != was.Master.PID {
				t.Errorf("with %d files: master %d became %d", limit, was.Master.PID, now.Master.PID)
			}
			b.ok("stop", "hello")
		}
		const advice = "open files"
		for _, limit := range []int{24, 16} { // for a master and no worker, and for no master
			out := b.fewFiles(limit, "start", "hello")
			if out.code != 1 || !strings.Contains(out.stderr, advice) || !strings.Contains(out.stderr, "LimitNOFILE=") {
				t.Errorf("with %d files: %v", limit, out)
			}
			b.ok("stop", "hello")
		}
		b.ok("start", "hello")
		b.await("hello", "ready", 2)
	})
}
