package pool

import (
	"encoding/json"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// TestASpareIsAskedAfterItsStem: a spare process is forked by one that the stem forks, and
// may say who it is before that one has ended. It is no child of the master then, and was
// taken for a liar and given up.
func TestASpareIsAskedAfterItsStem(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	loop, err := evloop.New()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	root, err := appdir.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	spec := appspec.Default("spare", dir)
	log := applog.Open(applog.Places{Root: root, Stderr: applog.NoStderr}, spec, os.Getuid(), os.Getgid(), true)
	defer log.Close()
	p := New(loop, log, root, spec)
	p.spawn = func(*worker, *appspec.Spec) {}
	st := &stem{pool: p, spawner: &Spawner{loop: loop}, fd: pair[0], pidfd: -1}
	st.spare = &spare{stem: st, fd: -1, pidfd: -1}
	st.late.Do = func() { t.Error("the stem is given up") }
	p.stem = st
	if err := loop.Add(st.fd, unix.EPOLLIN, st); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- loop.Run() }()
	loop.Call(st.restock)
	stem := evloop.NewReceiver(wsgi.MaxMessage)
	msg, fds, errno := stem.RecvAll(pair[1])
	if errno != 0 || len(msg) == 0 || msg[0] != wsgi.MsgFork || len(fds) != 1 {
		t.Fatalf("the stem is told %q with %d descriptors: %v", msg, len(fds), errno)
	}
	tell := func(fd int, kind byte, what any) {
		b, err := json.Marshal(what)
		if err == nil {
			_, errno := evloop.Send(fd, append(wsgi.AppendHeader(nil, kind, 0, 0), b...))
			if err = errno; errno == 0 {
				err = nil
			}
		}
		if err != nil {
			t.Error(err)
		}
	}
	state := func() (pid int, open bool) {
		loop.Call(func() { pid, open = st.spare.pid, st.spare.fd >= 0 })
		return pid, open
	}
	// In a process whose parent, between it and us, has not ended yet.
	between := exec.Command("sh", "-c", "sleep 600 & echo $!; read end; exec sleep 0")
	between.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var pid int
	in, _ := between.StdinPipe()
	out, _ := between.StdoutPipe()
	if err := between.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Kill(-between.Process.Pid, unix.SIGKILL) })
	if err := json.NewDecoder(out).Decode(&pid); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) })
	tell(fds[0], wsgi.MsgReady, wsgi.Forked{PID: pid})
	for range 3 {
		if got, open := state(); got != 0 || !open {
			t.Fatalf("before the stem has answered the spare process is %d, kept: %v", got, open)
		}
	}
	_ = in.Close()
	if err := between.Wait(); err != nil {
		t.Fatal(err)
	}
	if ppid, _, err := parentAndUsers(pid); err != nil || ppid != os.Getpid() {
		t.Fatalf("process %d is a child of %d: %v", pid, ppid, err)
	}
	tell(pair[1], wsgi.MsgFork, wsgi.Forked{PID: pid})
	await.True(t, "the spare process is known", func() bool { got, open := state(); return open && got == pid })
	// It reads its order, ends the link, and is heard of before the loop comes to what it has put off.
	output, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	var w *worker
	loop.Call(func() {
		w = p.startWorker(spec, 1, false)
		w.slots = []*Slot{{w: w, fd: pair[0], theirs: -1}}
		fd := theirs.Fd()
		if !st.spare.take(spawnJob{w: w, output: output, files: []uintptr{fd, fd, fd}, init: []byte("x")}) {
			t.Error("the spare process is not taken")
		}
		evloop.CloseAll(fds)
		st.spare.OnEvents(unix.EPOLLIN)
		if p.stem != st || w.pid != pid {
			t.Errorf("the stem is given up: %q; the worker is process %d, want %d", p.Unforked, w.pid, pid)
		}
		w.slots = nil
		st.end("")
		_ = unix.PidfdSendSignal(w.pidfd, unix.SIGKILL, nil, 0)
	})
	await.True(t, "the worker has ended", func() (is bool) {
		loop.Call(func() { is = w.life.over() })
		return is
	})
	loop.Call(loop.Stop)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	evloop.Close(pair[1])
}
