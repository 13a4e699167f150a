package guard

// #include <stdlib.h>
// #include "guard.h"
import "C"

import (
	"fmt"
	"os"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// patience is how long a guard looks for the next gate. Clients wait as long.
const patience = 30 * time.Second

// Guard is the guard of this process.
type Guard struct {
	pid  int
	fd   int // pidfd of it
	self int // pidfd of us
}

// title begins what a guard calls itself.
const title = "wsgid: guard"

// Start starts the guard of this process. Client connections below a number go to the
// socket name in an open folder, or at path where that one is not found. called is how
// this process calls itself, at least at the start, which the guard does not. message
// is what a connection is passed by: its number goes into the bytes 1 to 8.
func Start(folder int, name, path string, most int, called string, message []byte) (*Guard, error) {
	self, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return nil, fmt.Errorf("cannot start the guard of connections: %w", err)
	}
	g := &Guard{self: self, fd: -1}
	if err := g.start(folder, name, path, most, called, message); err != nil {
		_ = unix.Close(self)
		return nil, fmt.Errorf("cannot start the guard of connections: %w", err)
	}
	return g, nil
}

func (g *Guard) start(folder int, name, path string, most int, called string, message []byte) error {
	if len(message) < 9 || len(message) > 64 {
		return fmt.Errorf("a message of %d bytes", len(message))
	}
	var c C.struct_guard
	var all []*C.char
	text := func(s string) *C.char {
		t := C.CString(s)
		all = append(all, t)
		return t
	}
	defer func() {
		for _, t := range all {
			C.free(unsafe.Pointer(t))
		}
	}()
	c.gate, c.folder, c.most, c.patience = C.int(g.self), C.int(folder), C.int(most), C.int(patience/time.Second)
	c.ways[0], c.ways[1] = text(fmt.Sprintf("/proc/self/fd/%d/%s", folder, name)), text(path)
	c.message, c.length = unsafe.Pointer(text(string(message))), C.int(len(message))
	c.comm, c.name, c.title = text("wsgid:guard"), text(""), text("")
	if strings.HasPrefix(os.Args[0], called) && len(called) >= len(title) {
		// The string lies where the kernel reads the arguments of a process.
		c.name, c.title = text(title+strings.Repeat(" ", len(called)-len(title))), (*C.char)(unsafe.Pointer(unsafe.StringData(os.Args[0])))
	}
	pid := int(C.guard_start(&c))
	if pid < 0 {
		return unix.Errno(-pid)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		return err
	}
	g.pid, g.fd = pid, fd
	return nil
}

// FD becomes readable when the guard has ended.
func (g *Guard) FD() int { return g.fd }

// PID is the process.
func (g *Guard) PID() int { return g.pid }

// Stop ends the guard: nothing is kept of what this process has.
func (g *Guard) Stop() {
	if g == nil {
		return
	}
	_ = unix.Kill(g.pid, unix.SIGKILL)
	for {
		if _, err := unix.Wait4(g.pid, nil, 0, nil); err != unix.EINTR {
			break
		}
	}
	_ = unix.Close(g.fd)
	_ = unix.Close(g.self)
}
