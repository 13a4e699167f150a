package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// holderPatience is how long the holder of sockets waits for the next daemon in a
// storm.
const holderPatience = 6 * time.Second

// holders are the processes that hold sockets for this fleet's daemon.
func (s *storm) holders() (pids []int) {
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range found {
		args, _ := os.ReadFile(path)
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil && bytes.HasPrefix(args, []byte("wsgid: sockets of "+s.state+"\x00")) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// holder waits for the one that has the sleeping app's socket, and is not pid.
func (s *storm) holder(not int) (pid int, err error) {
	return pid, wait(patience, func() error {
		inode, err := listenerOf(s.sleeper.addr)
		if err != nil {
			return err
		}
		for _, p := range s.holders() {
			if p != not && alive(p) && hasSocket(p, inode) {
				pid = p
				return nil
			}
		}
		return fmt.Errorf("no process holds the socket of app %s; there are %v, and %d is not meant", s.sleeper.name, s.holders(), not)
	})
}

// listenerOf is the inode of who listens on an address.
func listenerOf(addr string) (string, error) {
	_, port, _ := net.SplitHostPort(addr)
	n, err := strconv.Atoi(port)
	if err != nil {
		return "", err
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) > 9 && f[3] == "0A" && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", n)) {
			return f[9], nil
		}
	}
	return "", fmt.Errorf("nobody listens on %s", addr)
}

func hasSocket(pid int, inode string) bool {
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil && target == "socket:["+inode+"]" {
			return true
		}
	}
	return false
}

// leaveService has a daemon by hand take the place of a service, whose manager holds
// the sockets.
func (s *storm) leaveService() {
	s.t.Helper()
	if s.service {
		s.daemon.kill(s.t)
		s.startAs(false)
	}
}

// killHolder kills the holder, and the daemon when another has taken its place:
// who comes to a sleeping app waits for the next daemon.
func (s *storm) killHolder() error {
	s.leaveService()
	s.heal()
	pid, err := s.holder(0)
	if err != nil {
		return err
	}
	s.diary.note("  killed holder %d", pid)
	_ = syscall.Kill(pid, syscall.SIGKILL) // it may end as nothing sleeps
	if _, err := s.holder(pid); err != nil {
		return fmt.Errorf("holder %d was killed: %w", pid, err)
	}
	return s.sleepThrough()
}

// sleepThrough kills the daemon: a client of the sleeping app waits until the next
// one is there.
func (s *storm) sleepThrough() error {
	s.daemon.kill(s.t)
	c, err := net.DialTimeout("tcp", s.sleeper.addr, 10*time.Second)
	if err != nil {
		err = fmt.Errorf("the daemon was killed, and a client of the sleeping app does not wait for the next: %w", err)
		s.start()
		return err
	}
	defer c.Close()
	s.start()
	if err := askOn(c, "/waited"); err != nil {
		return fmt.Errorf("a client of the sleeping app has waited in vain: %w", err)
	}
	return nil
}

// outlastHolder leaves the holder without a daemon until about its end. What comes
// after it holds again.
func (s *storm) outlastHolder() error {
	s.leaveService()
	s.heal()
	old, err := s.holder(0)
	if err != nil {
		return err
	}
	o := &outage{what: "ended with the holder", from: time.Now(), asleep: true, reset: map[string]int{}}
	s.daemon.kill(s.t)
	swept := s.rand.IntN(3) == 0
	if swept {
		// The next daemon does not find it; it ends under the eyes of its successor.
		if err := os.Remove(filepath.Join(s.state, "sockets.sock")); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	} else {
		time.Sleep(holderPatience - 50*time.Millisecond + s.upTo(100*time.Millisecond)) // the moment is what is tried
	}
	s.diary.note("  left holder %d alone; its socket swept away: %v", old, swept)
	s.startAs(false)
	s.heal()
	if swept {
		if err := wait(6*holderPatience, func() error {
			if alive(old) {
				return fmt.Errorf("holder %d, which no daemon knows, lives on", old)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	o.to = time.Now()
	s.outages = append(s.outages, o)
	if _, err := s.holder(0); err != nil {
		return err
	}
	return s.sleepThrough()
}
