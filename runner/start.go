package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/boot"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
	"github.com/wsgid-fleet/wsgid-fleet/runner/stem"
)

// StartMaster starts a master for the spec and returns when its control socket
// answers, which is before its first worker is ready: wait for that with
// Handle.Status. An error names what cannot be opened (port taken, no such
// interpreter, no such user). Where the context ends once the master's process
// runs, the start is seen to its end all the same, for at most 30 seconds.
func StartMaster(ctx context.Context, o StartOptions) (*Handle, error) {
	fail := func(err error) (*Handle, error) {
		return nil, fmt.Errorf("cannot start master of %s: %w", o.Spec.Name, err)
	}
	dir := control.AppDir(o.StateDir, o.Spec.Name)
	// The workers' users must reach the Python host below it; what is theirs to
	// know of is not below apps.
	if err := os.MkdirAll(o.StateDir, 0o755); err != nil {
		return fail(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail(err)
	}
	user, err := sandbox.ResolveUser(o.Spec)
	if err != nil {
		return fail(err)
	}
	hostDir := ""
	if o.Spec.Gate == nil {
		if hostDir, err = sandbox.LayOutHost(o.StateDir, user); err != nil {
			return fail(err)
		}
		defer sandbox.CompileHost(ctx, o.Spec, hostDir)()
	}
	// From here on the folder is what was found now, whatever is put at its path.
	folder, err := appdir.Open(o.Spec.Path)
	if err != nil {
		return fail(err)
	}
	defer folder.Close()
	dirFile, err := folder.Folder()
	if err != nil {
		return fail(fmt.Errorf("cannot open app folder %s: %w", o.Spec.Path, applog.PlainPath(err)))
	}
	listeners, opened, err := listen.OpenMissing(o.Spec, o.Listeners)
	defer func() {
		for _, f := range opened {
			_ = f.Close()
		}
	}()
	if err != nil {
		return fail(err)
	}
	names := slices.Sorted(maps.Keys(listeners))
	files := make([]*os.File, 0, len(names))
	for _, n := range names {
		files = append(files, listeners[n])
	}
	files = append(files, dirFile)
	starter, _ := os.Executable()
	message := &boot.Message{Spec: o.Spec, User: user, HostDir: hostDir, StateDir: o.StateDir, DataDir: o.DataDir, Generation: o.Generation,
		Listeners: names, Foreground: o.Foreground, Standby: o.Standby, Stderr: o.Stderr != nil && o.Spec.Log.Target == "stderr", Env: workerEnv(os.Environ()), Starter: starter, Build: boot.Build()}
	var fork *stem.Fork
	if o.Zygote != nil && !o.Foreground {
		fork = o.Zygote(o.Spec, user, hostDir, message.Env)
	}
	pid, answer, err := execMaster(ctx, o, func(from *stem.Stem, unforked string) ([]byte, error) {
		message.Stem, message.Unforked = from, unforked
		return json.Marshal(message)
	}, files, fork)
	if err != nil {
		return fail(err)
	}
	if answer.Error != "" {
		evloop.Reap(pid)
		if answer.OtherBuild {
			forgetMasterProgram()
		}
		return fail(errors.New(answer.Error))
	}
	all, err := FindMasters(o.StateDir, o.Spec.Name)
	if err != nil {
		return fail(err)
	}
	for _, h := range all {
		if h.PID == pid {
			h.Stderr, h.foreground = o.Stderr, o.Foreground
			if !o.Foreground {
				go h.reap() // we may be its parent for long
			}
			return h, nil
		}
	}
	return fail(fmt.Errorf("it ended immediately; see the end of its log, %s", filepath.Join(o.Spec.Path, applog.FileName)))
}

// execMaster runs the master's program and waits for its answer.
func execMaster(ctx context.Context, o StartOptions, message func(*stem.Stem, string) ([]byte, error), files []*os.File, fork *stem.Fork) (int, boot.Answer, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, boot.Answer{}, err
	}
	_ = unix.SetNonblock(pair[0], true)
	ours, theirs := os.NewFile(uintptr(pair[0]), "boot"), os.NewFile(uintptr(pair[1]), "boot")
	defer ours.Close()
	defer theirs.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, boot.Answer{}, err
	}
	defer null.Close()
	fds := []uintptr{null.Fd(), null.Fd(), null.Fd(), uintptr(pair[1])}
	if o.Foreground {
		fds[1], fds[2] = os.Stdout.Fd(), os.Stderr.Fd()
	} else if o.Spec.Log.Target == "stderr" && o.Stderr != nil {
		fds[2] = o.Stderr.Fd()
	}
	for _, f := range files {
		if err := listen.Control(f, func(fd int) error { fds = append(fds, uintptr(fd)); return nil }); err != nil {
			return 0, boot.Answer{}, err
		}
	}
	pid, from, unforked, err := launchMaster(ctx, o, fds, fork)
	if err != nil {
		return 0, boot.Answer{}, err
	}
	_ = theirs.Close()
	// From here on a context that ends changes nothing: the master may have taken
	// requests already.
	answer, err := askMaster(ctx, ours, func() ([]byte, error) { return message(from, unforked) })
	if err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		evloop.Reap(pid)
		return 0, boot.Answer{}, err
	}
	return pid, answer, nil
}

// launchMaster starts the process: forked where that can be, else executed. from is what its
// workers can be forked from, or unforked why they cannot.
func launchMaster(ctx context.Context, o StartOptions, fds []uintptr, fork *stem.Fork) (pid int, from *stem.Stem, unforked string, err error) {
	exe, err := masterProgram()
	if err != nil {
		return 0, nil, "", err
	}
	defer exe.Close()
	// It is executed by a descriptor of the child, so it is that very file. The
	// master closes it with what is not its own, see boot.Read.
	path := "/proc/self/fd/" + strconv.Itoa(len(fds))
	fds = append(fds, exe.Fd())
	sys := &syscall.SysProcAttr{Setsid: !o.Foreground}
	if o.Spec.Chroot {
		if os.Geteuid() != 0 {
			return 0, nil, "", errors.New("chroot needs root")
		}
		sys.Unshareflags = unix.CLONE_NEWNS // Go makes the mounts private, too
	}
	if err := context.Cause(ctx); err != nil {
		return 0, nil, "", err
	}
	// The data plane is one goroutine; a second processor serves the others. Said
	// here, the runtime does not set up one for each that the machine has.
	args := []string{boot.Title + o.Spec.Name, o.StateDir}
	env := append(append(workerEnv(os.Environ()), "GODEBUG=madvdontneed=1", "GOMAXPROCS=2", "TMPDIR="+os.Getenv("TMPDIR")), raceEnv()...)
	for _, name := range []string{boot.PipesSwitch, boot.RingSwitch} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	switch {
	case fork == nil:
	case fork.Why != "":
		unforked = fork.Why
	default:
		if pid, err = fork.Start(args, env, fds); err == nil {
			return pid, &fork.Stem, "", nil
		}
		unforked = "the process that they are forked from did not fork: " + err.Error()
	}
	pid, err = syscall.ForkExec(path, args, &syscall.ProcAttr{Dir: "/", Env: env, Files: fds, Sys: sys})
	if err != nil {
		return 0, nil, "", fmt.Errorf("cannot run %s: %w", exe.Name(), err)
	}
	return pid, nil, unforked, nil
}

// askMaster hands a master its message and waits for the answer, for 30 seconds at most.
func askMaster(ctx context.Context, ours *os.File, message func() ([]byte, error)) (answer boot.Answer, err error) {
	deadline := time.Now().Add(30 * time.Second)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	_ = ours.SetDeadline(deadline)
	msg, err := message()
	if err != nil {
		return answer, err
	}
	if _, err := ours.Write(msg); err != nil {
		return answer, fmt.Errorf("cannot hand over its spec: %w", err)
	}
	_ = listen.Control(ours, func(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) })
	b, err := io.ReadAll(ours)
	if err != nil {
		return answer, fmt.Errorf("it did not answer: %w", err)
	}
	if err := json.Unmarshal(b, &answer); err != nil {
		return answer, errors.New("it ended without an answer")
	}
	return answer, nil
}

// workerEnv is what of our environment the workers may see.
func workerEnv(environ []string) []string {
	var env []string
	path := false
	for _, kv := range environ {
		k, _, _ := strings.Cut(kv, "=")
		switch {
		case k == "PATH":
			path = true
			env = append(env, kv)
		case k == "LANG", k == "TZ", k == "LANGUAGE", strings.HasPrefix(k, "LC_"):
			env = append(env, kv)
		}
	}
	if !path {
		env = append(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	}
	return env
}
