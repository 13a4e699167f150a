package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// hostView is a thread of a master with chroot = true that stays outside, in the
// mount namespace of the one who started the master: what an operator replaces
// there later, such as a certificate behind two links, is found by its path as
// ever.
type hostView struct {
	jobs chan func()
}

// newHostView starts the thread; to be called before the root is changed.
func newHostView() (*hostView, error) {
	ns, err := unix.Open(fmt.Sprintf("/proc/%d/ns/mnt", os.Getppid()), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open the host's mount namespace: %w", err)
	}
	defer unix.Close(ns)
	v := &hostView{jobs: make(chan func())}
	entered := make(chan error)
	go OnOwnThread(func() {
		err := unix.Unshare(unix.CLONE_FS)
		if err == nil {
			err = unix.Setns(ns, unix.CLONE_NEWNS)
		}
		entered <- err
		if err != nil {
			return
		}
		for f := range v.jobs {
			f()
		}
	})
	if err := <-entered; err != nil {
		return nil, fmt.Errorf("cannot enter the host's mount namespace: %w", err)
	}
	return v, nil
}

// OnOwnThread runs f on a thread that no other goroutine ever gets, so that f may
// take it to other namespaces. It is not the first one, whose namespaces are shown
// as the process's.
func OnOwnThread(f func()) {
	runtime.LockOSThread() // for ever
	if unix.Gettid() != os.Getpid() {
		f()
		return
	}
	locked := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		close(locked)
		f()
	}()
	<-locked
	runtime.UnlockOSThread()
}

// do runs f outside and waits for it. What f opens is open inside, too.
func (v *hostView) do(f func()) {
	done := make(chan struct{})
	v.jobs <- func() {
		defer close(done)
		f()
	}
	<-done
}

// open opens a certificate's file.
func (v *hostView) open(name string) (f *os.File, err error) {
	v.do(func() { f, err = openCertificate(name) })
	return f, err
}

// openCertificate opens a file that may lie in the app folder: no link of the app's
// user is followed to what belongs to another one.
func openCertificate(name string) (*os.File, error) {
	f, err := appdir.OpenFile("file", name)
	if errno, ok := errors.AsType[unix.Errno](err); ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errno}
	}
	return f, err
}
