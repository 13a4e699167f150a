package fleet

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/systemd"
)

// TestHelperUpgrade is the daemon that executes another program in its place.
func TestHelperUpgrade(t *testing.T) {
	if os.Getenv(fleettest.HelperEnv) != "upgrade" {
		return
	}
	lock, err := os.OpenFile(os.Getenv("LOCK"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	kept, given := fleettest.Listener(t), fleettest.Listener(t)
	for _, f := range []*os.File{kept, given} {
		l, err := net.FileListener(f)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("listens", l.Addr())
		_ = l.Close()
	}
	fmt.Println("pid", os.Getpid())
	os.Setenv(fleettest.HelperEnv, "upgraded")
	err = reexec(os.Getenv("PROGRAM"), []string{"wsgid-fleet", "run"}, systemd.Inherited{
		Lock:      lock,
		Activated: map[string]*os.File{"my web": given},
		Kept:      map[string]map[string]*os.File{"blog": {"127.0.0.1:80": kept}},
	}, nil)
	fmt.Println("failed", err)
	for _, f := range []*os.File{lock, kept, given} {
		flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
		fmt.Println("close-on-exec", flags&unix.FD_CLOEXEC != 0, err)
	}
}

// TestHelperUpgraded is the program that takes its place.
func TestHelperUpgraded(t *testing.T) {
	if os.Getenv(fleettest.HelperEnv) != "upgraded" {
		return
	}
	in, warnings, err := systemd.TakeInherited()
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	// The lock is still held: another open file cannot have it.
	other, err := os.Open(os.Getenv("LOCK"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("upgraded pid", os.Getpid(), "locked", unix.Flock(int(other.Fd()), unix.LOCK_EX|unix.LOCK_NB) == unix.EWOULDBLOCK, in.Lock != nil)
	if f := in.Kept["blog"]["127.0.0.1:80"]; f != nil {
		fleettest.Greet(t, f, "kept")
	}
	if f := in.Activated["my web"]; f != nil {
		fleettest.Greet(t, f, "given")
	}
}

// A master that ends between the exec of a daemon and its first look at the apps leaves no
// zombie, though nobody has followed it.
func TestAnUpgradeLeavesNoZombie(t *testing.T) {
	f := newFleetDir(t)
	store, err := state.Open(afero.NewOsFs(), f.State, filepath.Join(f.State, "data"))
	if err != nil {
		t.Fatal(err)
	}
	lock, err := store.LockDaemon()
	if err != nil {
		t.Fatal(err)
	}
	pid, err := syscall.ForkExec("/bin/true", []string{"true"}, &syscall.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	f.daemon(Options{}, func(d *Daemon) { d.Inherited.Lock = lock })
	eventually(t, "its end is taken", func() bool { return unix.Kill(pid, 0) == unix.ESRCH })
}

// successor is a program that tells a version and else becomes the helper.
func successor(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wsgid-fleet")
	if err := os.WriteFile(path, []byte(body), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUpgradeKeepsPidLockAndListeners(t *testing.T) {
	program := successor(t, "#!/bin/sh\n[ \"$1\" = version ] && { echo 2.0.0; exit 0; }\nexec "+strings.Join(fleettest.Helper("TestHelperUpgraded"), " ")+"\n")
	args := fleettest.Helper("TestHelperUpgrade")
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), fleettest.HelperEnv+"=upgrade", "PROGRAM="+program, "LOCK="+filepath.Join(t.TempDir(), "lock"))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	expect := func(prefix string) string {
		t.Helper()
		for lines.Scan() {
			if rest, ok := strings.CutPrefix(lines.Text(), prefix); ok {
				return rest
			}
		}
		t.Fatalf("the process never said %q", prefix)
		return ""
	}
	kept, given := expect("listens "), expect("listens ")
	pid := expect("pid ")
	if got, want := expect("upgraded "), "pid "+pid+" locked true true"; got != want {
		t.Errorf("upgraded: %s, want %s", got, want)
	}
	for _, c := range []struct{ addr, want string }{{kept, "kept"}, {given, "given"}} {
		conn, err := net.DialTimeout("tcp", c.addr, fleettest.Patience)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(fleettest.Patience))
		if b, err := io.ReadAll(conn); string(b) != c.want {
			t.Errorf("%s answers %q (%v), want %q", c.addr, b, err, c.want)
		}
		_ = conn.Close()
	}
	for lines.Scan() { // to the end, so that Wait may close the pipe
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestUpgradeToWhatIsNoProgram(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"half a file":   {"\x7fELF", "it does not report its version: fork/exec PROGRAM: exec format error"},
		"another error": {"#!/bin/sh\necho no such library >&2\nexit 127\n", "it does not report its version: exit status 127: no such library"},
	} {
		t.Run(name, func(t *testing.T) {
			program := successor(t, c.body)
			args := fleettest.Helper("TestHelperUpgrade")
			cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
			cmd.Env = append(os.Environ(), fleettest.HelperEnv+"=upgrade", "PROGRAM="+program, "LOCK="+filepath.Join(t.TempDir(), "lock"))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			text := strings.ReplaceAll(string(out), program, "PROGRAM")
			if want := "failed cannot upgrade to PROGRAM: " + c.want; !strings.Contains(text, want) {
				t.Errorf("it said:\n%s\nwant: %s", text, want)
			}
			if n := strings.Count(text, "close-on-exec true <nil>"); n != 3 {
				t.Errorf("%d of 3 descriptors are closed on exec again:\n%s", n, text)
			}
		})
	}
}
