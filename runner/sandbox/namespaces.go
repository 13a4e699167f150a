package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// InitName is how the first process of Namespaces calls itself: the start of
// its first argument.
const InitName = "wsgid: init "

// Namespaces is the namespaces that the workers of an app with chroot = true
// live in: processes of their own, so that /proc holds no other process of the same
// user whose root, folder or memory would lead out of the chroot, and mounts without
// those that only the master needs. The master stays outside, and knows the workers
// by the numbers that the host gives them.
//
// The kernel gives the life of such a namespace to its first process, which here
// only mounts /proc, collects orphans, and dies with the master. Should it die
// before, all workers die with it, and the next worker gets new namespaces.
//
// It belongs to the spawner's thread, which lives in its mounts.
type Namespaces struct {
	root   *rootTree
	app    string
	mounts int // the master's mount namespace
	pids   int // the master's process namespace
	init   int // pid of the first process; 0: none
	pidfd  int
}

func newNamespaces(root *rootTree, app string) (*Namespaces, error) {
	s := &Namespaces{root: root, app: app, pidfd: -1}
	var err error
	if s.mounts, err = unix.Open("/proc/thread-self/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
		s.pids, err = unix.Open("/proc/thread-self/ns/pid", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the namespaces of the master: %w", err)
	}
	return s, nil
}

// Enter takes the calling thread, which is locked to its goroutine, to where
// workers can be started. Processes that the thread starts are in the namespace of
// processes, the thread itself is not.
func (s *Namespaces) Enter() error {
	if s.init != 0 {
		if s.alive() {
			s.root.refresh()
			return nil
		}
		s.leave()
	}
	if err := s.enterNew(); err != nil {
		return fmt.Errorf("cannot set up the chroot's own /proc: %w", err)
	}
	s.root.refresh()
	return nil
}

func (s *Namespaces) enterNew() error {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWPID); err != nil {
		return fmt.Errorf("namespaces: %w", err)
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	answer := os.NewFile(uintptr(pipe[0]), "init")
	defer answer.Close()
	pid, err := syscall.ForkExec("/proc/self/exe", []string{InitName + s.app}, &syscall.ProcAttr{
		Dir: "/", Env: []string{"GOMAXPROCS=1", "GODEBUG=madvdontneed=1"}, Files: []uintptr{0, 1, 2, uintptr(pipe[1])},
		// The thread's death signal is that of the master: it never ends before.
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, PidFD: &s.pidfd},
	})
	_ = unix.Close(pipe[1])
	if err != nil {
		return fmt.Errorf("the first process: %w", err)
	}
	s.init = pid
	b, err := io.ReadAll(answer)
	if err == nil && string(b) != initReady {
		err = errors.New(strings.TrimSpace(string(b)))
	}
	if err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		s.leave()
		return err
	}
	for _, p := range slices.Backward(s.root.private) {
		if err := unix.Unmount(p, unix.MNT_DETACH); err != nil {
			_ = unix.Kill(pid, unix.SIGKILL)
			s.leave()
			return fmt.Errorf("cannot revoke %s from the workers: %w", p, err)
		}
	}
	return nil
}

// alive tells whether the first process runs.
func (s *Namespaces) alive() bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PIDFD, s.pidfd, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo == 0
}

// leave takes the thread back to the master's namespaces.
func (s *Namespaces) leave() {
	if s.pidfd >= 0 {
		_ = unix.Waitid(unix.P_PIDFD, s.pidfd, nil, unix.WEXITED, nil)
		_ = unix.Close(s.pidfd)
	}
	s.init, s.pidfd = 0, -1
	_ = unix.Setns(s.pids, unix.CLONE_NEWPID)
	_ = unix.Setns(s.mounts, unix.CLONE_NEWNS)
}

// OuterPID finds the child of a process that has the given number in the child's
// own namespace, and returns its number in ours; 0: there is none.
func OuterPID(parent, inner int) int {
	for _, pid := range appdir.ChildrenOf(fmt.Sprintf("/proc/%d/task", parent)) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		_, rest, ok := strings.Cut(string(b), "\nNSpid:")
		if !ok {
			return 0
		}
		line, _, _ := strings.Cut(rest, "\n")
		numbers := strings.Fields(line)
		if len(numbers) > 1 && numbers[len(numbers)-1] == strconv.Itoa(inner) {
			return pid
		}
	}
	return 0
}

// initReady is what the first process says when its /proc is mounted.
const initReady = "ready"

// RunInit is the main function of the first process of Namespaces; ready is called
// when it has nothing left to do but wait. It stays root, so that no worker can end it or look into it.
func RunInit(ready func()) {
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGPIPE)
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	pipe := os.NewFile(3, "init")
	err := initProc()
	if err != nil {
		_, _ = fmt.Fprintln(pipe, err)
		os.Exit(1)
	}
	_, _ = io.WriteString(pipe, initReady)
	_ = pipe.Close()
	ready()
	for range children {
		var ws unix.WaitStatus
		for {
			if pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil); pid <= 0 && err != unix.EINTR {
				break
			}
		}
	}
}

func initProc() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	// The host's own must not lie below.
	if err := unix.Unmount("/proc", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("cannot unmount the host's /proc: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("cannot mount /proc: %w", err)
	}
	return nil
}
