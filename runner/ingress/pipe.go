package ingress

import "golang.org/x/sys/unix"

// Pipe makes what a body goes to a worker by as it arrives. Whoever writes to it never
// waits. False: there is no room for one. It is safe for concurrent use.
func (e *Env) Pipe() (read, write int, ok bool) {
	var fds [2]int
	if unix.Pipe2(fds[:], unix.O_CLOEXEC) != nil {
		return 0, 0, false
	}
	if e.Files.Kept(fds[0]) || e.Files.Kept(fds[1]) || unix.SetNonblock(fds[1], true) != nil {
		_, _ = unix.Close(fds[0]), unix.Close(fds[1])
		return 0, 0, false
	}
	return fds[0], fds[1], true
}
