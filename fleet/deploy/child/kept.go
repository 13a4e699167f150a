package child

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Ended is how a command has ended.
type Ended struct {
	Output string   // the last that it printed
	Left   []string // names of processes that it had left running, and that were ended
}

// Do runs the command to its end, below a keeper unless it is a Quick one, or a Single
// one that is started from Aside. Nothing that it has started is left then. An error is
// an *Error.
func (c *Command) Do(ctx context.Context) (Ended, error) {
	if c.Quick || c.Single && isAside(ctx) {
		cmd, tail, err := c.Prepare(ctx)
		if err != nil {
			return Ended{}, err
		}
		if err = Start(ctx, cmd); err == nil {
			err = cmd.Wait()
		}
		err = c.Failure(ctx, err, tail)
		return Ended{Output: tail.String()}, err
	}
	program, err := c.check()
	if err != nil {
		return Ended{}, err
	}
	tail := &Tail{}
	rep, err := c.keep(ctx, program, tail)
	return Ended{Output: tail.String(), Left: rep.Left}, c.Failure(ctx, err, tail)
}

// keep runs the command below a keeper.
func (c *Command) keep(ctx context.Context, program string, tail *Tail) (report, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return report{}, fmt.Errorf("cannot start it: %w", err)
	}
	_ = unix.SetNonblock(fds[0], true) // a file with deadlines
	socket, theirs := os.NewFile(uintptr(fds[0]), "keeper"), os.NewFile(uintptr(fds[1]), "deployer")
	defer socket.Close()
	defer theirs.Close()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{keeperName + filepath.Base(program)}
	cmd.Env = keeperEnv()
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{theirs}
	c.connect(cmd, tail)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error {
		if _, err := socket.WriteString("\"end\"\n"); err != nil {
			return os.ErrProcessDone
		}
		return nil
	}
	cmd.WaitDelay = grace + strayLimit + afterDeath
	if err := cmd.Start(); err != nil {
		return report{}, err
	}
	// Before it has the order: so it is of the command from the start.
	standBack(ctx, cmd.Process.Pid)
	_ = theirs.Close()
	o := order{Program: program, Args: append([]string{program}, c.Args[1:]...), Env: c.environ(),
		Dir: cmp.Or(c.Dir, "/"), Account: c.Account, Nice: niceOf(ctx)}
	_ = socket.SetWriteDeadline(time.Now().Add(strayLimit))
	if err := json.NewEncoder(socket).Encode(o); err != nil {
		_ = cmd.Process.Kill()
		return report{}, errors.Join(fmt.Errorf("cannot start it: %w", err), cmd.Wait())
	}
	err = cmd.Wait()
	return readReport(socket, err)
}

// readReport is what a keeper that has ended has to say, in the words in which a
// command without one would have ended.
func readReport(socket *os.File, err error) (report, error) {
	_ = socket.SetReadDeadline(time.Now().Add(afterDeath))
	b, _ := io.ReadAll(io.LimitReader(socket, 64<<10))
	var rep report
	if jerr := json.Unmarshal(b, &rep); jerr != nil {
		return report{}, errors.Join(err, errors.New("its result is not known: the process that supervised it is gone"))
	}
	switch {
	case rep.Error != "":
		err = errors.New(rep.Error)
	case rep.Signal != 0:
		err = fmt.Errorf("signal: %v", rep.Signal)
	}
	return rep, err
}
