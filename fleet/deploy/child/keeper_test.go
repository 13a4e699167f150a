package child

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

// A process that a test's command starts writes its number into a folder, by
// which the test finds it: whatever session and parent it has taken.
type witness struct {
	t   *testing.T
	dir string
	as  *Account
}

func newWitness(t *testing.T) *witness {
	t.Helper()
	if testing.Short() {
		t.Skip("starts processes")
	}
	dir := shortdir.New(t)
	w := &witness{t: t, dir: dir}
	if os.Geteuid() == 0 {
		w.as = &Account{UID: 65534, GID: 65534, Home: "/nonexistent", Name: "nobody"}
		if err := os.Chown(dir, w.as.UID, w.as.GID); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// scripts by what they do; $D is the witness's folder. Each leaves processes that a
// shell or a kill of the group would not end.
var scripts = map[string]string{
	// Its parent ends at once, and it is in a session of its own.
	"daemon": `(setsid sh -c 'sh -c "echo \$PPID >$D/new.1; mv $D/new.1 $D/pid.1"; exec sleep 600' </dev/null >/dev/null 2>&1 &)
while [ ! -e $D/pid.1 ]; do sleep 0.01; done`,
	"stubborn daemon": `(setsid sh -c 'trap "" TERM HUP INT; sh -c "echo \$PPID >$D/new.1; mv $D/new.1 $D/pid.1"; while :; do sleep 1; done' &)
while [ ! -e $D/pid.1 ]; do sleep 0.01; done`,
}

const forever = `
trap "" TERM; while :; do sleep 1; done`

func (w *witness) command(script string) *Command {
	return &Command{Account: w.as, Args: []string{"sh", "-c", script}, Env: []string{"D=" + w.dir}}
}

// pids waits for so many processes to be there.
func (w *witness) pids(n int) []int {
	w.t.Helper()
	var pids []int
	await.True(w.t, fmt.Sprintf("%d processes", n), func() bool {
		pids = nil
		files, _ := filepath.Glob(filepath.Join(w.dir, "pid.*"))
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil {
				pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
				pids = append(pids, pid)
			}
		}
		return len(pids) >= n
	}, func() any { return pids })
	return pids
}

func gone(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil && (errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH)) || strings.Contains(string(b), ") Z ")
}

// A command that ends well leaves nothing running, and says what it had left.
func TestNothingIsLeftRunning(t *testing.T) {
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWitness(t)
			ended, err := w.command(script + "\necho done").Do(t.Context())
			if err != nil || ended.Output != "done" {
				t.Errorf("%+v, %v", ended, err)
			}
			if !slices.Contains(ended.Left, "sleep") && !slices.Contains(ended.Left, "sh") {
				t.Errorf("it says that it had left %q running", ended.Left)
			}
			// It has ended already: nothing is waited for.
			for _, pid := range w.pids(1) {
				if !gone(pid) {
					t.Errorf("process %d lives on", pid)
				}
			}
		})
	}
}

// One that takes too long, and ignores TERM, ends with all that it has started.
func TestTimeIsLimited(t *testing.T) {
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWitness(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			go func() {
				w.pids(1)
				cancel(context.DeadlineExceeded)
			}()
			_, err := w.command(script + forever).Do(ctx)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
			for _, pid := range w.pids(1) {
				if !gone(pid) {
					t.Errorf("process %d lives on", pid)
				}
			}
		})
	}
}

// A command may clean up when it is asked to end: git takes its locks away.
func TestAskedToEndFirst(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		w.pids(1)
		cancel()
	}()
	ended, err := w.command(`trap 'echo cleaned up; exit 0' TERM; echo $$ >$D/pid.1; while :; do sleep 0.05; done`).Do(ctx)
	if !errors.Is(err, context.Canceled) || !strings.HasSuffix(ended.Output, "cleaned up") {
		t.Errorf("%+v, %v", ended, err)
	}
}

// TestDeployerThatIsKilled is the deployer of the next test where it is run by it.
func TestDeployerThatIsKilled(t *testing.T) {
	const env = "WSGID_TEST_DEPLOYER"
	if dir := os.Getenv(env); dir != "" {
		w := &witness{t: t, dir: dir}
		if os.Geteuid() == 0 {
			w.as = &Account{UID: 65534, GID: 65534, Home: "/nonexistent", Name: "nobody"}
		}
		_, _ = w.command(scripts["stubborn daemon"] + `; echo $$ >$D/new.2; mv $D/new.2 $D/pid.2` + forever).Do(t.Context())
		return
	}
	t.Parallel()
	w := newWitness(t)
	deployer := exec.Command("/proc/self/exe", "-test.run=^TestDeployerThatIsKilled$")
	deployer.Env = append(os.Environ(), env+"="+w.dir)
	if err := deployer.Start(); err != nil {
		t.Fatal(err)
	}
	pids := w.pids(2)
	_ = deployer.Process.Kill()
	_ = deployer.Wait()
	for _, pid := range pids {
		await.True(t, fmt.Sprintf("the end of process %d", pid), func() bool { return gone(pid) })
	}
}

// How a command ends is told as if there were nobody in between.
func TestEndsAsItWouldAlone(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	for script, want := range map[string]string{
		"exit 3":                      "sh: exit status 3",
		"kill -9 $$":                  "sh: signal: killed",
		"echo why >&2; kill -SEGV $$": "sh: signal: segmentation fault; it printed:\n  why",
	} {
		if err := w.command(script).Run(t.Context()); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", script, err, want)
		}
	}
	if w.as == nil {
		return
	}
	// The keeper of root is nobody's to end.
	ended, err := w.command("kill -9 $PPID || echo no").Do(t.Context())
	if err != nil || !strings.HasSuffix(ended.Output, "\nno") {
		t.Errorf("%+v, %v", ended, err)
	}
}

// A gigabyte of output is read, and its end kept.
func TestOutputWithoutEnd(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	ended, err := w.command(`head -c 1000000000 /dev/zero; echo; echo the end`).Do(t.Context())
	if err != nil || !strings.HasSuffix(ended.Output, "\nthe end") && ended.Output != "the end" || len(ended.Output) > tailSize {
		t.Errorf("%d bytes, %v", len(ended.Output), err)
	}
}

// What is in a command's environment is not its keeper's, which may be root's.
func TestKeeperHasNothingOfTheCommand(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	c := w.command(`tr '\0' '\n' </proc/$PPID/environ; tr '\0' ' ' </proc/$PPID/cmdline; echo; echo $LD_PRELOAD; id -u`)
	if w.as != nil {
		c.Args[2] = `cat /proc/$PPID/environ 2>&1; ` + c.Args[2]
	}
	c.Env = append(c.Env, "SECRET=s3cret")
	ended, err := c.Do(t.Context())
	if err != nil || strings.Contains(ended.Output, "s3cret") || !strings.Contains(ended.Output, "wsgid: runs sh") {
		t.Errorf("%s, %v", ended.Output, err)
	}
	file := filepath.Join(w.dir, "plain")
	// A child of another test that begins just then has it open to write, too, and nobody
	// can run it meanwhile.
	syscall.ForkLock.RLock()
	err = os.WriteFile(file, []byte("echo \"$0 is a script without a first line, $1\"\n"), 0o755)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	ended, err = (&Command{Account: w.as, Args: []string{"./plain", "x"}, Dir: w.dir}).Do(t.Context())
	if err != nil || ended.Output != "./plain is a script without a first line, x" {
		t.Errorf("%+v, %v", ended, err)
	}
	err = (&Command{Account: w.as, Args: []string{"./not-there"}, Dir: w.dir}).Run(t.Context())
	if err == nil || err.Error() != "./not-there: no such file or directory" {
		t.Errorf("%v", err)
	}
	r := bufio.NewReader(strings.NewReader("typed\n"))
	ended, err = (&Command{Account: w.as, Args: []string{"sh", "-c", "read x; echo $x; read y || echo no more"}, Stdin: r}).Do(t.Context())
	if err != nil || ended.Output != "typed\nno more" {
		t.Errorf("%+v, %v", ended, err)
	}
}
