package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// machine is a container over the files of this machine in which a real systemd
// is process 1. What happens in it stays in it: its root is an overlay in memory,
// mounted in a mount namespace that ends with it.
type machine struct {
	t       *testing.T
	nspawn  *exec.Cmd
	init    int // pid of its systemd, as seen from outside
	console string
}

// bootScript makes the overlay and becomes systemd-nspawn. Its arguments: a
// directory to mount on, a script that puts things into the root (its $1), and what
// else that is to know ($2 and on).
const bootScript = `set -eu
mount -t tmpfs -o mode=755,size=512m tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
rm -f "$1/root/etc/machine-id"
# What else this machine would start has no place in the test.
mkdir -p "$1/root/etc/systemd/system-preset"
echo 'disable *' > "$1/root/etc/systemd/system-preset/00-none.preset"
root=$1/root put=$2
shift 2
sh -euc "$put" put "$root" "$@"
exec systemd-nspawn --quiet -D "$root" --register=no --keep-unit --private-network -b systemd.unit=basic.target
`

// unitsScript installs the program $2 and the units of the folder $3.
const unitsScript = `install -m 755 "$2" "$1/usr/local/bin/wsgid-fleet"
install -m 644 "$3"/*.service "$3"/*.slice "$3"/*.socket "$1/etc/systemd/system/"
mkdir -p "$1/etc/wsgid.d"
`

// bootMachine boots one with this program and the units of the examples.
func bootMachine(t *testing.T) *machine {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	units, err := filepath.Abs("../../examples/systemd")
	if err != nil {
		t.Fatal(err)
	}
	return bootWith(t, unitsScript, self, units)
}

// bootWith boots one and waits until it is up. It goes down with the test.
func bootWith(t *testing.T, script string, args ...string) *machine {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a container")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root can boot a container; package fleet tests the same protocols without one")
	}
	dir := t.TempDir()
	m := &machine{t: t, console: filepath.Join(dir, "console")}
	mount := filepath.Join(dir, "mount")
	if err := os.Mkdir(mount, 0o755); err != nil {
		t.Fatal(err)
	}
	console, err := os.Create(m.console)
	if err != nil {
		t.Fatal(err)
	}
	defer console.Close()
	m.nspawn = exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", bootScript, "sh", mount, script)
	m.nspawn.Args = append(m.nspawn.Args, args...)
	m.nspawn.Stdout, m.nspawn.Stderr = console, console
	// It must not outlive a test that is killed.
	m.nspawn.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if err := m.nspawn.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = m.nspawn.Wait()
	}()
	t.Cleanup(func() {
		if b, err := os.ReadFile(m.console); err == nil && m.init == 0 {
			t.Logf("console:\n%s", b)
		}
		_ = m.nspawn.Process.Signal(syscall.SIGTERM) // power off
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = m.nspawn.Process.Kill()
			<-ended
		}
	})
	m.until("the container's systemd is up", 2*time.Minute, func() error {
		select {
		case <-ended:
			b, _ := os.ReadFile(m.console)
			t.Fatalf("systemd-nspawn ended at once:\n%s", b)
		default:
		}
		if m.init == 0 {
			if m.init = childNamed(m.nspawn.Process.Pid, "systemd"); m.init == 0 {
				return fmt.Errorf("no systemd yet")
			}
		}
		out, err := m.try("systemctl", "is-system-running")
		if state := strings.TrimSpace(out); state != "running" && state != "degraded" {
			return fmt.Errorf("it is %s (%w)", state, err)
		}
		return nil
	})
	return m
}

// childNamed is the pid of a child process by its name; 0: there is none.
func childNamed(pid int, name string) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0
	}
	for word := range strings.FieldsSeq(string(b)) {
		comm, err := os.ReadFile("/proc/" + word + "/comm")
		if err != nil || strings.TrimSpace(string(comm)) != name {
			continue
		}
		// Until it has executed systemd it may bear another's name and root.
		if child, err := strconv.Atoi(word); err == nil {
			return child
		}
	}
	return 0
}

// try runs a command in the machine, for at most a minute.
func (m *machine) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"-t", strconv.Itoa(m.init), "-a", "--"}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// run is try for a command that has to succeed.
func (m *machine) run(args ...string) string {
	m.t.Helper()
	out, err := m.try(args...)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// write makes a file in the machine.
func (m *machine) write(path, text string) {
	m.t.Helper()
	m.run("sh", "-c", `mkdir -p "$(dirname "$1")" && printf %s "$2" > "$1.tmp" && mv "$1.tmp" "$1"`, "sh", path, text)
}

// property is a property of a unit.
func (m *machine) property(unit, name string) string {
	m.t.Helper()
	return strings.TrimSpace(m.run("systemctl", "show", "--value", "-p", name, unit))
}

// until waits until try succeeds.
func (m *machine) until(what string, limit time.Duration, try func() error) {
	m.t.Helper()
	await.Nil(m.t, limit, what, try)
}

// with is the machine for a subtest.
func (m *machine) with(t *testing.T) *machine {
	c := *m
	c.t = t
	return &c
}
