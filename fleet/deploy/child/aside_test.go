package child

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// priority is the nice value of the thread that this goroutine runs on, and its policy.
func priority(t *testing.T) (nice int, policy uint32) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return int(attr.Nice), attr.Policy
}

// What is done aside stands back, and what it starts does from the first moment; what
// it has done in front does not, nor does anything else of the process, then or later.
func TestAsideStandsBack(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	base, normal := priority(t)
	if normal != unix.SCHED_NORMAL {
		t.Fatalf("the tests run by the policy %d", normal)
	}
	back := min(base+4, 19)
	ctx := Nicer(context.Background(), 4)
	for range 20 { // the main thread has its turn too
		Aside(ctx, func(ctx context.Context) {
			if nice, policy := priority(t); nice != back || policy != unix.SCHED_BATCH {
				t.Errorf("aside: nice %d, policy %d, want %d and batch", nice, policy, back)
			}
			if unix.Gettid() == unix.Getpid() {
				t.Error("the main thread stands back")
			}
			Front(ctx, func() {
				if nice, policy := priority(t); nice != base || policy != normal {
					t.Errorf("in front: nice %d, policy %d, want %d and %d", nice, policy, base, normal)
				}
			})
		})
	}
	Aside(ctx, func(ctx context.Context) {
		var out strings.Builder
		c := &Command{Args: []string{"sh", "-c", "nice; cut -d ' ' -f 41 /proc/self/stat"}, Stdout: &out, Quick: true}
		if err := c.Run(ctx); err != nil || out.String() != strconv.Itoa(back)+"\n3\n" {
			t.Errorf("a command that it starts: %q, %v; want %d and 3", out.String(), err, back)
		}
		out.Reset()
		c.Quick = false
		if err := c.Run(ctx); err != nil || out.String() != strconv.Itoa(back)+"\n3\n" {
			t.Errorf("a command with a keeper: %q, %v; want %d and 3", out.String(), err, back)
		}
	})
	Aside(context.Background(), func(context.Context) {
		if nice, policy := priority(t); nice != base || policy != normal {
			t.Errorf("not nicer: nice %d, policy %d", nice, policy)
		}
	})
	var wg sync.WaitGroup
	all := make(chan struct{})
	for range 20 { // so many threads, held at the same time
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			<-all
			if nice, policy := priority(t); nice != base || policy != normal {
				t.Errorf("afterwards: nice %d, policy %d", nice, policy)
			}
		})
	}
	close(all)
	wg.Wait()
	if raw, err := unix.Getpriority(unix.PRIO_PROCESS, os.Getpid()); err != nil || 20-raw != base {
		t.Errorf("the process has the nice value %d (%v), want %d", 20-raw, err, base)
	}
}

// A panic is its caller's.
func TestAsidePanics(t *testing.T) {
	defer func() {
		if p, _ := recover().(string); !strings.HasPrefix(p, "over\n") || !strings.Contains(p, "TestAsidePanics") {
			t.Errorf("it panics with %q", p)
		}
	}()
	Aside(Nicer(context.Background(), 1), func(context.Context) { panic("over") })
}
