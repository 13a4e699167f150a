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

// What is started from aside has the umask of every command, whatever this process has,
// and ends with the deploy. A single program needs nobody to watch over it there, and has
// somebody elsewhere.
func TestAsideStartsPlainly(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	parent := func(ctx context.Context, c Command) (umask, name string) {
		var out strings.Builder
		c.Args, c.Stdout = []string{"sh", "-c", `umask; tr '\0' '\n' </proc/$PPID/cmdline | head -n 1`}, &out
		if err := c.Run(ctx); err != nil {
			t.Fatal(err)
		}
		f := strings.SplitN(out.String()+"\n", "\n", 3)
		return f[0], f[1]
	}
	ctx := Nicer(context.Background(), 4)
	Aside(ctx, func(ctx context.Context) {
		for _, c := range []Command{{Quick: true}, {Single: true}} {
			if umask, name := parent(ctx, c); umask != "0022" || name != os.Args[0] {
				t.Errorf("%+v from aside: umask %s, child of %q; want 0022 and %q", c, umask, name, os.Args[0])
			}
		}
		if umask, name := parent(ctx, Command{}); umask != "0022" || !strings.HasPrefix(name, keeperName) {
			t.Errorf("what may start others, from aside: umask %s, child of %q; want 0022 and a keeper", umask, name)
		}
	})
	if umask, name := parent(ctx, Command{Single: true}); umask != "0022" || !strings.HasPrefix(name, keeperName) {
		t.Errorf("a single program from elsewhere: umask %s, child of %q; want 0022 and a keeper", umask, name)
	}
	var pid int
	Aside(ctx, func(ctx context.Context) {
		c := &Command{Args: []string{"sleep", "600"}, Quick: true}
		cmd, _, err := c.Prepare(ctx)
		if err == nil {
			err = Start(ctx, cmd)
		}
		if err != nil {
			t.Error(err)
			return
		}
		pid = cmd.Process.Pid
	})
	if pid == 0 {
		return
	}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(pid, &ws, 0, nil); err != nil || !ws.Signaled() || ws.Signal() != unix.SIGKILL {
		t.Errorf("what was left running ended by %v, %v; want SIGKILL, as the thread had ended", ws, err)
	}
}
