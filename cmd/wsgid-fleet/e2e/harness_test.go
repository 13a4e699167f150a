package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// account is whom a test plays: who types the commands and who runs the apps.
type account struct {
	name string              // root, or the ordinary user's name
	cred *syscall.Credential // of commands and daemon; nil: our own
	apps *syscall.Credential // of the app folders; nil: our own
}

func (a account) root() bool { return a.cred == nil && os.Geteuid() == 0 }

// asEach runs the test as root and as an ordinary user, or, where the suite is
// not root, as the user it is.
func asEach(t *testing.T, test func(t *testing.T, who account)) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts masters and Python workers")
	}
	if os.Geteuid() != 0 {
		t.Run("root", func(t *testing.T) { t.Skip("needs root") })
		t.Run("user", func(t *testing.T) { test(t, account{name: "user"}) })
		return
	}
	t.Run("root", func(t *testing.T) { test(t, account{name: "root", apps: credential(t, "www-data")}) })
	t.Run("user", func(t *testing.T) {
		nobody := credential(t, "nobody")
		test(t, account{name: "nobody", cred: nobody, apps: nobody})
	})
}

func credential(t *testing.T, name string) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// harness is a scratch copy of the quickstart on ports of its own, with the
// commands to work on it. Whatever runs in it at the end of the test is ended.
type harness struct {
	t         *testing.T
	who       account
	dir       string // holds all of it; short, for the unix sockets
	demo      string
	specs     string // --dir
	state     string // --state-dir
	hello     string // host:port
	polls     string
	m2        string
	umask     string                // of the commands; empty: ours
	sites     bool                  // it is a copy of examples/gate
	fleetPath string                // the program; empty: the kit's
	equip     func(*exec.Cmd) error // of the daemon before it starts; nil: nothing
}

func newHarness(t *testing.T, who account) *harness {
	t.Helper()
	if testing.Short() {
		t.Skip("starts masters and Python workers")
	}
	needKit(t)
	dir, err := os.MkdirTemp("/tmp", "w")
	if err != nil {
		t.Fatal(err)
	}
	b := &harness{
		t: t, who: who, dir: dir, demo: filepath.Join(dir, "demo"), specs: filepath.Join(dir, "demo/wsgid.d"),
		hello: freeport.Addr(t), polls: freeport.Addr(t), m2: freeport.Addr(t),
	}
	t.Cleanup(b.remove)
	// Not root: the state directory that the program chooses by itself.
	b.state = filepath.Join(dir, "run/wsgid")
	b.must(os.Chmod(dir, 0o755))
	b.must(os.Mkdir(filepath.Join(dir, "run"), 0o755))
	b.must(os.Mkdir(b.demo, 0o755))
	if who.cred != nil {
		for _, path := range []string{dir, filepath.Join(dir, "run"), b.demo} {
			b.must(os.Chown(path, int(who.cred.Uid), int(who.cred.Gid)))
		}
	}
	if out := b.command(kit.run, "prepare", b.demo); out.code != 0 {
		t.Fatalf("cannot prepare the quickstart:\n%s%s", out.stdout, out.stderr)
	}
	// Most tests are about apps alone.
	b.must(os.Rename(filepath.Join(b.specs, "gate.hcl"), filepath.Join(b.specs, "gate.off")))
	recv, send := freeport.Addr(t), freeport.Addr(t)
	for _, name := range []string{"hello.hcl", "polls.hcl", "m2.hcl"} {
		b.rewrite("wsgid.d/"+name, "127.0.0.1:8000", b.hello, "127.0.0.1:8001", b.polls,
			"127.0.0.1:6767", b.m2, "127.0.0.1:9997", recv, "127.0.0.1:9996", send)
	}
	_, port, _ := strings.Cut(b.m2, ":")
	b.rewrite("mongrel2/mongrel2.conf", "127.0.0.1:9997", recv, "127.0.0.1:9996", send, "port=6767", "port="+port)
	return b
}

func (b *harness) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// rewrite replaces words in a file below demo, as an editor does that writes a
// new file and renames it.
func (b *harness) rewrite(name string, oldnew ...string) {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.demo, name))
	b.must(err)
	b.write(name, strings.NewReplacer(oldnew...).Replace(string(text)))
}

// replace is a rewrite of one word that must be there.
func (b *harness) replace(name, old, by string) {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.demo, name))
	b.must(err)
	if !strings.Contains(string(text), old) {
		b.t.Fatalf("%s does not contain %q:\n%s", name, old, text)
	}
	b.write(name, strings.Replace(string(text), old, by, 1))
}

func (b *harness) write(name, text string) {
	b.t.Helper()
	path := filepath.Join(b.demo, name)
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
	b.must(os.WriteFile(tmp, []byte(text), 0o644))
	if b.who.cred != nil {
		b.must(os.Chown(tmp, int(b.who.cred.Uid), int(b.who.cred.Gid)))
	}
	b.must(os.Rename(tmp, path))
}

// output is how a command ended.
type output struct {
	stdout, stderr string
	code           int
	took           time.Duration
}

func (o output) String() string {
	return fmt.Sprintf("exit %d after %v\n--- stdout\n%s--- stderr\n%s", o.code, o.took.Round(time.Millisecond), o.stdout, o.stderr)
}

func (b *harness) program() string {
	if b.fleetPath != "" {
		return b.fleetPath
	}
	return kit.fleet
}

func (b *harness) env() []string {
	demo := "WSGID_DEMO="
	if b.sites {
		demo = "SITES="
	}
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + b.dir, "LANG=C.UTF-8", "NO_COLOR=1",
		"XDG_RUNTIME_DIR=" + filepath.Join(b.dir, "run"),
		demo + b.demo, "WSGID_FLEET=" + b.program(),
		"WSGID_ZYGOTE=" + os.Getenv("WSGID_ZYGOTE"), // go test with it tries all of them so
	}
}

// make prepares a command in the account's name.
func (b *harness) make(ctx context.Context, name string, args ...string) *exec.Cmd {
	if b.umask != "" {
		args = append([]string{"-c", `umask "$0"; exec "$@"`, b.umask, name}, args...)
		name = "/bin/sh"
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = b.demo
	cmd.Env = b.env()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: b.who.cred}
	return cmd
}

func (b *harness) command(name string, args ...string) output {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := b.make(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// Whoever outlives the command must not hold its output.
	cmd.WaitDelay = 5 * time.Second
	start := time.Now()
	err := cmd.Run()
	out := output{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode(), time.Since(start)}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		b.t.Fatalf("%s %v did not end within %v: %v", filepath.Base(name), args, patience, out)
	case errors.Is(err, exec.ErrWaitDelay):
		b.t.Fatalf("%s %v left its output open to a process that outlives it: %v", filepath.Base(name), args, out)
	case err != nil && !errors.As(err, &exit):
		b.t.Fatalf("%s %v: %v", filepath.Base(name), args, err)
	}
	return out
}

// fleet runs wsgid-fleet on the harness: root names the state directory, an
// ordinary user has it from XDG_RUNTIME_DIR.
func (b *harness) fleet(command string, args ...string) output {
	b.t.Helper()
	all := []string{command, "--dir", b.specs}
	if b.who.root() {
		all = append(all, "--state-dir", b.state)
	}
	return b.command(b.program(), append(all, args...)...)
}

// ok is fleet with exit code 0.
func (b *harness) ok(command string, args ...string) output {
	b.t.Helper()
	out := b.fleet(command, args...)
	if out.code != 0 {
		b.t.Fatalf("wsgid-fleet %s %v: %v%s", command, args, out, b.logs())
	}
	return out
}

// daemon is a running wsgid-fleet run.
type daemon struct {
	*exec.Cmd
	log  string
	done chan struct{} // closed when it has ended
}

// run starts the daemon and waits until it answers.
func (b *harness) run() *daemon {
	b.t.Helper()
	d := b.launch()
	b.awaitDaemon(d)
	return d
}

// launch starts the daemon.
func (b *harness) launch() *daemon {
	b.t.Helper()
	args := []string{"run", "--dir", b.specs}
	if b.who.root() {
		args = append(args, "--state-dir", b.state)
	}
	d := &daemon{log: filepath.Join(b.dir, "daemon.log"), done: make(chan struct{})}
	out, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	b.must(err)
	defer out.Close()
	d.Cmd = b.make(context.Background(), b.program(), args...)
	d.Stdout, d.Stderr = out, out
	if b.equip != nil {
		b.must(b.equip(d.Cmd))
	}
	b.must(d.Start())
	go func() {
		d.Wait() // the state is read from ProcessState
		close(d.done)
	}()
	b.t.Cleanup(func() {
		d.Process.Kill() // it may have ended
		<-d.done
	})
	return d
}

// awaitDaemon waits until the daemon answers.
func (b *harness) awaitDaemon(d *daemon) {
	b.t.Helper()
	eventually(b.t, patience, "the daemon to answer", func() error {
		select {
		case <-d.done:
			b.t.Fatalf("the daemon ended: %v\n%s", d.ProcessState, d.text())
		default:
		}
		s, err := b.status()
		if err != nil {
			return err
		}
		if s.Daemon == nil || s.Daemon.PID != d.Process.Pid {
			return fmt.Errorf("status names daemon %+v, not %d", s.Daemon, d.Process.Pid)
		}
		return nil
	})
}

func (d *daemon) text() string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// stop ends the daemon as an operator does and returns its exit code.
func (d *daemon) stop(t *testing.T) int {
	t.Helper()
	if err := d.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-d.done:
	case <-time.After(patience):
		t.Fatalf("the daemon did not end on SIGTERM:\n%s", d.text())
	}
	return d.ProcessState.ExitCode()
}

// kill ends the daemon at once.
func (d *daemon) kill(t *testing.T) {
	t.Helper()
	if err := d.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-d.done
}

// logs is what the apps and the daemon wrote, for a failed test's report.
func (b *harness) logs() string {
	var s strings.Builder
	paths, _ := filepath.Glob(filepath.Join(b.demo, "apps/*/logs/*.log"))
	for _, path := range append(paths, filepath.Join(b.dir, "daemon.log")) {
		if text, err := os.ReadFile(path); err == nil {
			fmt.Fprintf(&s, "--- %s\n%s", path, text[max(0, len(text)-4000):])
		}
	}
	return s.String()
}

// remove ends everything of the harness and deletes it.
func (b *harness) remove() {
	if b.t.Failed() {
		b.t.Log(b.logs())
	}
	if err := killAll(b.dir); err != nil {
		b.t.Error(err)
	}
	os.RemoveAll(b.dir)
}

// killAll ends every process that has to do with a folder, also one that another was
// about to start.
func killAll(dir string) error {
	return wait(patience, func() error {
		left := processesOf(dir)
		for _, p := range left {
			_ = syscall.Kill(p.pid, syscall.SIGKILL) // it may have ended
		}
		if len(left) > 0 {
			return fmt.Errorf("still there: %v", left)
		}
		return nil
	})
}

// A fleetStatus is status -o json, or the part of it
// that tests look at.
type fleetStatus struct {
	Version string
	Daemon  *struct {
		PID   int
		Since time.Time
		Dir   string
	}
	Apps []appStatus
	Gate *struct {
		State, Reason string
		Master        *struct{ PID int }
	}
}

type appStatus struct {
	Name, Path, File, State, Reason string
	Generation                      int
	Desired                         struct{ Min, Max int }
	Master                          *struct{ PID int }
	Workers                         []workerStatus
	Requests                        struct{ Total, Errors uint64 }
	Restarts                        int
	Error                           string `json:"last_error"`
	LogError                        string `json:"log_error"`
	Warnings                        []string
	Waiting                         string
}

type workerStatus struct {
	PID      int
	State    string
	Requests uint64
}

// pids are the master and the workers.
func (a appStatus) pids() []int {
	var pids []int
	if a.Master != nil {
		pids = append(pids, a.Master.PID)
	}
	for _, w := range a.Workers {
		pids = append(pids, w.PID)
	}
	return pids
}

func (b *harness) status() (fleetStatus, error) {
	b.t.Helper()
	out := b.fleet("status", "-o", "json")
	var s fleetStatus
	if out.code != 0 && out.code != 3 {
		return s, fmt.Errorf("wsgid-fleet status: %v", out)
	}
	if err := json.Unmarshal([]byte(out.stdout), &s); err != nil {
		return s, fmt.Errorf("status -o json is not JSON: %w: %v", err, out)
	}
	return s, nil
}

func (b *harness) app(name string) (appStatus, error) {
	b.t.Helper()
	s, err := b.status()
	if err != nil {
		return appStatus{}, err
	}
	for _, a := range s.Apps {
		if a.Name == name {
			return a, nil
		}
	}
	return appStatus{}, fmt.Errorf("status knows no app %s", name)
}

// await waits until the app is in the state with that many live workers
// (negative: any number) and returns it.
func (b *harness) await(name, state string, workers int) appStatus {
	b.t.Helper()
	var app appStatus
	eventually(b.t, patience, fmt.Sprintf("%s to be %s", name, state), func() error {
		a, err := b.app(name)
		if err != nil {
			return err
		}
		app = a
		if a.State != state || workers >= 0 && len(a.Workers) != workers {
			return fmt.Errorf("it is %+v", a)
		}
		return nil
	})
	return app
}
