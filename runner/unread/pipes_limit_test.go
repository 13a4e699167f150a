package unread

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestShareOfPipes(t *testing.T) {
	for _, tt := range []struct{ pages, size, want int64 }{
		{16384, 4096, 16}, // what most kernels have
		{1 << 20, 4096, mostPipes},
		{0, 4096, mostPipes}, // no limit
		{255, 4096, 0},
		{1024, 65536, 16},
	} {
		if got := shareOfPipes(tt.pages, tt.size); got != tt.want {
			t.Errorf("of %d pages of %d bytes: %d pipes, want %d", tt.pages, tt.size, got, tt.want)
		}
	}
}

// A user whose pipes have reached the kernel's limit is told so, once, and bodies go on in
// files.
func TestPipesAreScarce(t *testing.T) {
	pipesAllowed() // as long as we are who we are
	told := make(chan error, 10)
	s := testStore(t, 64<<20, 1<<30)
	s.Scarce = func(err error) { told <- err }
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // to the end: nobody else gets a thread without rights
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&head, &none[0]); err != nil {
			t.Error(err)
			return
		}
		var full error
		for range 4096 {
			r, w, err := os.Pipe()
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			defer w.Close()
			if _, full = unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, pipeSize); full != nil {
				break
			}
		}
		if !errors.Is(full, unix.EPERM) {
			t.Errorf("the kernel gives a user any number of pipes: %v; fs.pipe-user-pages-soft is to be as it comes", full)
			return
		}
		for range 2 {
			p := s.NewPipes(1)
			if p == nil || p.Put([]byte("x")) {
				t.Error("there are pipes where the kernel has none")
			}
		}
	}()
	<-done
	if s.piped.pipes.Load() != 0 {
		t.Errorf("%d pipes are counted", s.piped.pipes.Load())
	}
	if len(told) != 1 {
		t.Fatalf("it was said %d times, want once", len(told))
	}
	if err := <-told; !strings.Contains(err.Error(), "fs.pipe-user-pages-soft") {
		t.Error(err)
	}
}

// Root of a user namespace of its own has all capabilities, and its pipes are bounded as
// those of the user whom it is outside.
func TestPipesOfRootInAUserNamespace(t *testing.T) {
	const helper = "WSGID_TEST_BOUND_PIPES"
	if os.Getenv(helper) != "" {
		fmt.Print("unbound: ", unboundPipes())
		os.Exit(0)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run", "^"+t.Name()+"$") //nolint:gosec // it is this test
	cmd.Env = append(os.Environ(), helper+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.Output()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL) {
		t.Skipf("this kernel gives no user namespace: %v", err)
	}
	if err != nil || string(out) != "unbound: false" {
		t.Errorf("root of a user namespace says %q, %v", out, err)
	}
	if os.Geteuid() == 0 && firstUsers() && !unboundPipes() {
		t.Error("the machine's root is bounded")
	}
}
