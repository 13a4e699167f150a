package static

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// crewSize is how many goroutines, and so threads, wait for the disk at most.
const crewSize = 4

// crewRest is how long one of them waits for more before it ends.
const crewRest = 5 * time.Second

// User is whose rights for files the crew has.
type User struct {
	UID, GID int
	Groups   []int
}

// Crew does what may wait for a disk, on a few goroutines that come with the work
// and go without it. Its methods are safe for concurrent use.
type Crew struct {
	// As is who opens files; nil: this process's own user. It is set before first
	// use.
	As *User
	// Fault is told why a goroutine cannot become that user; nothing is done then.
	Fault func(error)

	mu    sync.Mutex
	jobs  []func() // guarded by mu
	all   int      // guarded by mu: goroutines
	free  int      // guarded by mu: of those, waiting
	wake  chan struct{}
	ready sync.Once
}

// Do has f run soon.
func (c *Crew) Do(f func()) {
	c.ready.Do(func() { c.wake = make(chan struct{}, crewSize) })
	c.mu.Lock()
	c.jobs = append(c.jobs, f)
	start := false
	switch {
	case c.free > 0:
		c.free--
		c.wake <- struct{}{} // has room for all of them
	case c.all < crewSize:
		c.all++
		start = true
	}
	c.mu.Unlock()
	if start {
		go c.begin()
	}
}

// begin takes a thread of its own, which ends with the goroutine: nobody else gets
// one with another user's rights. It is not the first one, which stands for the
// process in /proc.
func (c *Crew) begin() {
	if c.As == nil {
		c.run()
		return
	}
	runtime.LockOSThread() // for ever
	if unix.Gettid() == os.Getpid() {
		begun := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(begun)
			c.work()
		}()
		<-begun
		runtime.UnlockOSThread()
		return
	}
	c.work()
}

// work runs as the user.
func (c *Crew) work() {
	if err := become(c.As); err != nil {
		c.mu.Lock()
		c.all--
		c.jobs = nil // who asked for them waits until their time is over
		c.mu.Unlock()
		if c.Fault != nil {
			c.Fault(fmt.Errorf("cannot open static files as the app's user: %w", err))
		}
		return
	}
	c.run()
}

func (c *Crew) run() {
	for {
		c.mu.Lock()
		if len(c.jobs) > 0 {
			f := c.jobs[0]
			c.jobs[0] = nil
			if c.jobs = c.jobs[1:]; len(c.jobs) == 0 {
				c.jobs = nil
			}
			c.mu.Unlock()
			f()
			continue
		}
		c.free++
		c.mu.Unlock()
		t := time.NewTimer(crewRest)
		select {
		case <-c.wake:
			t.Stop()
		case <-t.C:
			c.mu.Lock()
			if c.free > 0 { // else somebody counts on us
				c.free--
				c.all--
				c.mu.Unlock()
				return
			}
			c.mu.Unlock()
			<-c.wake
		}
	}
}

// become gives this thread, and it alone, a user's rights for files: with a user
// that is not root the kernel takes the capabilities that pass over permissions.
func become(u *User) error {
	groups := make([]uint32, len(u.Groups)+1)
	for i, g := range u.Groups {
		groups[i] = uint32(g)
	}
	// The calls of package syscall are for all threads.
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(u.Groups)), uintptr(unsafe.Pointer(&groups[0])), 0); errno != 0 {
		return fmt.Errorf("setgroups: %w", errno)
	}
	_, _, _ = unix.RawSyscall(unix.SYS_SETFSGID, uintptr(u.GID), 0, 0)
	_, _, _ = unix.RawSyscall(unix.SYS_SETFSUID, uintptr(u.UID), 0, 0)
	// They answer with what was before; asked with nonsense, they change nothing.
	const nonsense = ^uintptr(0)
	if is, _, _ := unix.RawSyscall(unix.SYS_SETFSUID, nonsense, 0, 0); int(is) != u.UID {
		return fmt.Errorf("setfsuid: %w", unix.EPERM)
	}
	if is, _, _ := unix.RawSyscall(unix.SYS_SETFSGID, nonsense, 0, 0); int(is) != u.GID {
		return fmt.Errorf("setfsgid: %w", unix.EPERM)
	}
	// The kernel took that for the change of user of a program that has begun with
	// more rights, and hid the process. It has them still, as anybody can see.
	return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
}
