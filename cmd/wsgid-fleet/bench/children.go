package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// children starts the servers and ends every one of them, with all that they
// started. It must be used from the main goroutine, which holds the main
// thread: the kernel's parent-death signal follows the thread that forked.
type children struct {
	dir  string // their output goes to files here
	cmds []*exec.Cmd
}

func newChildren(dir string) (*children, error) {
	// Whoever loses its parent (a master is a daemon) becomes our child.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("cannot become the reaper of what is started: %w", err)
	}
	return &children{dir: dir}, nil
}

// child is one started server.
type child struct {
	*exec.Cmd
	log string
}

// start runs a program until stop, or until all are ended. death is the signal
// it gets should we be killed.
func (c *children) start(name, dir string, env []string, death syscall.Signal, program string, args ...string) (*child, error) {
	log := filepath.Join(c.dir, name+".log")
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.CommandContext(context.Background(), program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	c.cmds = append(c.cmds, cmd)
	return &child{cmd, log}, nil
}

// stop ends one child and its process group, politely first.
func (c *child) stop(polite syscall.Signal) {
	done := make(chan struct{})
	go func() {
		c.Wait() //nolint:errcheck // it is being ended
		close(done)
	}()
	c.Process.Signal(polite) //nolint:errcheck // it may have ended
	select {
	case <-done:
	case <-time.After(20 * time.Second):
	}
	syscall.Kill(-c.Process.Pid, syscall.SIGKILL) //nolint:errcheck // nothing may be left
	<-done
}

// endAll kills what is still there, whatever became of it.
func (c *children) endAll() {
	for _, cmd := range c.cmds {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) //nolint:errcheck // nothing may be left
	}
	for range 100 {
		left := tree(os.Getpid())[:0:0]
		for _, pid := range tree(os.Getpid()) {
			if pid != os.Getpid() {
				left = append(left, pid)
				syscall.Kill(pid, syscall.SIGKILL) //nolint:errcheck // it may have ended
			}
		}
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != nil || pid <= 0 {
				break
			}
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
