package child

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// afterDeath is how long output is still waited for once a process is dead: what
// nobody can end may hold the other end.
const afterDeath = 2 * time.Second

// Command is a program to be run as an account.
type Command struct {
	Account *Account
	Args    []string // the program first, looked up in this process's PATH; with a slash, from Dir
	Env     []string // over Environ
	Dir     string   // empty: /, for the folder of whoever started us may be closed to the account
	Stdin   io.Reader
	Stdout  io.Writer // nil: into the tail, with what goes to standard error
	// Quick is a program that takes an instant and starts nothing that outlives it: it
	// needs no keeper.
	Quick bool
	// Single is a program that starts no other, however long it takes: it needs no keeper
	// where the kernel ends it with the thread that has started it (Aside).
	Single bool
}

// Error is a command that did not end well.
type Error struct {
	Program string
	Err     error  // an *exec.ExitError, or why it could not start or had to end
	Output  string // the last of what it printed; may be empty
}

func (e *Error) Error() string {
	if e.Output == "" {
		return fmt.Sprintf("%s: %v", e.Program, e.Err)
	}
	return fmt.Sprintf("%s: %v; it printed:\n%s", e.Program, e.Err, indent(e.Output))
}

func (e *Error) Unwrap() error { return e.Err }

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }

// check finds the program.
func (c *Command) check() (string, error) {
	if err := c.Account.Check(); err != nil {
		return "", err
	}
	if !filepath.IsAbs(c.Args[0]) && strings.Contains(c.Args[0], "/") {
		return c.Args[0], nil // from Dir, where the kernel looks for it
	}
	program, err := exec.LookPath(c.Args[0])
	if err != nil {
		return "", &Error{Program: c.Args[0], Err: fmt.Errorf("%w; install it on this machine", err)}
	}
	return program, nil
}

// connect gives a process the command's input and output.
func (c *Command) connect(cmd *exec.Cmd, tail *Tail) {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, c.Stdout, tail
	if c.Stdout == nil {
		cmd.Stdout = tail
	}
}

// environ has each name once: of two values programs disagree which one counts.
func (c *Command) environ() []string {
	return (&exec.Cmd{Env: append(Environ(c.Account), c.Env...)}).Environ()
}

// Prepare makes the process and the tail of its output, for a program that starts
// no other and ends when nobody reads what it writes; Start starts it. It ends, with its whole
// process group, when ctx does.
func (c *Command) Prepare(ctx context.Context) (*exec.Cmd, *Tail, error) {
	program, err := c.check()
	if err != nil {
		return nil, nil, err
	}
	args := append([]string{program}, c.Args[1:]...)
	on, is := asideOf(ctx)
	if !is || !on.umask {
		// The umask of this process may be anything, and is not this goroutine's to
		// change.
		args = append([]string{"/bin/sh", "-c", fmt.Sprintf(`umask %03o; exec "$@"`, commandUmask), "sh"}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	tail := &Tail{}
	cmd.Dir = cmp.Or(c.Dir, "/")
	cmd.Env = c.environ()
	c.connect(cmd, tail)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: c.Account.credential()}
	if is { // the thread lives until the deploy has ended, or this process has
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	cmd.WaitDelay = afterDeath
	return cmd, tail, nil
}

// Run is Do where only an error counts.
func (c *Command) Run(ctx context.Context) error {
	_, err := c.Do(ctx)
	return err
}

// Failure is the error of a command that was prepared: nil for nil.
func (c *Command) Failure(ctx context.Context, err error, tail *Tail) error {
	if err == nil {
		return nil
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("it exceeded its time limit and was terminated: %w", context.DeadlineExceeded)
	case ctx.Err() != nil:
		err = fmt.Errorf("it was terminated: %w", context.Cause(ctx))
	}
	return &Error{Program: c.Args[0], Err: err, Output: tail.String()}
}

// inherited are the names that a command gets from this process: where programs
// are, and how the network is reached.
var inherited = []string{"PATH", "TZ", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
	"HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"}

// Environ is what every command of the account gets.
func Environ(a *Account) []string {
	env := []string{"LC_ALL=C.UTF-8"}
	home := ""
	if a != nil {
		home = a.Home
		if a.Name != "" {
			env = append(env, "USER="+a.Name, "LOGNAME="+a.Name)
		}
	} else {
		home, _ = os.UserHomeDir()
	}
	if home == "" {
		home = "/nonexistent"
	}
	env = append(env, "HOME="+home)
	for _, name := range inherited {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
