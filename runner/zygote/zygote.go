package zygote

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
	"github.com/wsgid-fleet/wsgid-fleet/runner/stem"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi/host"
)

// patience is how long a zygote may take for anything that it is asked, while a master
// waits, and startPatience for its start.
const patience, startPatience = 3 * time.Second, 20 * time.Second

// zygote is one such process, a child of ours.
type zygote struct {
	stem stem.Stem // what a master is told of its stem
	pid  int
	sock *os.File // to it

	mu   sync.Mutex // one order at a time
	lost bool       // an answer is missing
}

// credential is the user to become, as zygote.py takes it; empty: none, it is ours.
func credential(user sandbox.User) string {
	if !user.Change {
		return ""
	}
	groups := make([]string, len(user.Groups))
	for i, g := range user.Groups {
		groups[i] = strconv.Itoa(g)
	}
	return fmt.Sprintf("%d:%d:%s", user.UID, user.GID, strings.Join(groups, ","))
}

// start runs a zygote, which is ours: the interpreter must be, too. It gives up when ctx
// ends.
func start(ctx context.Context, python string, locale []string, user sandbox.User, hostDir string) (*zygote, error) {
	if err := sandbox.TrustedPython(python); err != nil {
		return nil, err
	}
	// The environment has what Python's start depends on.
	// What it calls is looked up at once: each process that is forked would do so, and
	// write to memory that is shared else.
	env := append([]string{"PATH=/usr/local/bin:/usr/bin:/bin", "LD_BIND_NOW=1"}, locale...)
	var names []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		names = append(names, name)
	}
	ours, theirs, err := pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	defer null.Close()
	// A pipe, as it is for a worker, so that Python takes it for one. What it says is of
	// use only where it does not start.
	say, said, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	defer said.Close()
	pid, err := syscall.ForkExec(python, []string{python, "-u", "-S", filepath.Join(hostDir, host.Script), credential(user), strings.Join(names, ",")},
		&syscall.ProcAttr{Dir: "/", Env: env, Files: []uintptr{null.Fd(), said.Fd(), said.Fd(), theirs.Fd()}, Sys: &syscall.SysProcAttr{Setpgid: true}})
	if err != nil {
		return nil, errors.Join(err, ours.Close(), say.Close())
	}
	last := make(chan string, 1)
	go func() {
		line := bufio.NewScanner(say)
		text := ""
		for line.Scan() {
			text = line.Text()
		}
		last <- text
		_, _ = io.Copy(io.Discard, say) // behind a line that is too long
		_ = say.Close()
	}()
	_, _ = theirs.Close(), said.Close()
	z := &zygote{stem: stem.Stem{Python: python, Locale: locale}, pid: pid, sock: ours}
	defer context.AfterFunc(ctx, func() { _ = ours.Close() })()
	if err := z.hear(); err != nil {
		z.close()
		if errors.Is(err, io.EOF) {
			return nil, endedError(last)
		}
		return nil, err
	}
	return z, nil
}

// endedError is the error of a zygote that has ended at its start, by the last line that
// it says.
func endedError(last <-chan string) error {
	select {
	case text := <-last:
		if text != "" {
			return fmt.Errorf("the process that they are forked from ended at its start: %s", text)
		}
	case <-time.After(time.Second): // what it has started has its output
	}
	return errors.New("the process that they are forked from ended at its start")
}

// isSlow tells of an error that the zygote did not start in time.
func isSlow(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// pair is a pair of sockets for messages, ours first.
func pair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	for _, fd := range fds {
		// By force, which only root may, the limit of the machine does not matter.
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 2*wsgi.MaxMessage) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 2*wsgi.MaxMessage)
		}
	}
	_ = unix.SetNonblock(fds[0], true)
	return os.NewFile(uintptr(fds[0]), "zygote"), os.NewFile(uintptr(fds[1]), "zygote"), nil
}

// hear waits for the zygote's first message and notes the files that it has loaded.
func (z *zygote) hear() error {
	b, err := z.read(startPatience)
	if isSlow(err) {
		return fmt.Errorf("the process that they are forked from has not started within %s: %w", startPatience, err)
	}
	if err != nil {
		return err
	}
	typ, _, _, payload, err := wsgi.ParseMessage(b)
	if err != nil || typ != wsgi.MsgReady {
		return errors.Join(errors.New("it sent something else"), err)
	}
	var said struct {
		Files []string `json:"files"`
		Error string   `json:"error"`
	}
	if err := json.Unmarshal(payload, &said); err != nil {
		return err
	}
	if said.Error != "" {
		return errors.New(said.Error)
	}
	for _, path := range said.Files {
		z.stem.Loaded += stem.Mark(path)
	}
	return nil
}

func (z *zygote) read(within time.Duration) ([]byte, error) {
	_ = z.sock.SetReadDeadline(time.Now().Add(within))
	b := make([]byte, wsgi.MaxMessage)
	n, err := z.sock.Read(b)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return b[:n], err
}

// ended tells that the zygote has.
func (z *zygote) ended() bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, z.pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.lost || err != nil || info.Signo != 0
}

// close ends the zygote and reaps it.
func (z *zygote) close() {
	_ = z.sock.Close()
	_ = unix.Kill(z.pid, unix.SIGKILL) // not reaped, so the number is its
	evloop.Reap(z.pid)
}

// piece is how many bytes of a master's start go in one message, and descriptors is how
// many of those may go with the first: the kernel takes 253.
const piece, descriptors = 2048, 250

// fork starts a master by the zygote: files are its descriptors, and the last one is
// its program. The stem comes before that. An error tells that nothing runs.
func (z *zygote) fork(app string, args, env []string, files []uintptr) (int, error) {
	if len(files) > descriptors {
		return 0, errors.New("too many descriptors")
	}
	ours, theirs, err := pair()
	if err != nil {
		return 0, err
	}
	defer ours.Close()
	defer theirs.Close()
	words := append([]string{strconv.Itoa(len(args))}, args...)
	text := []byte(strings.Join(append(words, env...), "\x00"))
	b, err := z.order(app, theirs, func() error {
		for len(text) > 0 {
			n := min(piece, len(text))
			if err := send(ours, text[:n], files); err != nil {
				return err
			}
			text, files = text[n:], nil
		}
		return send(ours, []byte{0}, nil)
	})
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(string(b))
	if err != nil || pid <= 0 {
		return 0, fmt.Errorf("it cannot fork: %q", b)
	}
	// The kernel says so, or it is not: of others we are told nothing.
	if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != nil {
		return 0, fmt.Errorf("process %d is not a child of this process: %w", pid, err)
	}
	fail := func(err error) (int, error) {
		_ = ours.Close()
		_ = unix.Kill(pid, unix.SIGKILL)
		evloop.Reap(pid)
		return 0, err
	}
	// Its end is closed by its execution.
	_ = ours.SetReadDeadline(time.Now().Add(patience))
	why := make([]byte, 512)
	if n, err := ours.Read(why); n > 0 {
		return fail(errors.New(string(why[:n])))
	} else if err != nil && !errors.Is(err, io.EOF) {
		return fail(err)
	}
	return pid, nil
}

// order has the zygote fork, with what tell sends once it listens: what were on the way to
// one that hangs would stay open. The answer is the number of the process.
func (z *zygote) order(app string, link *os.File, tell func() error) ([]byte, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.lost {
		return nil, errors.New("it does not answer")
	}
	err := send(z.sock, []byte(app), []uintptr{link.Fd()})
	_ = link.Close() // so that its death is felt
	if err != nil {
		return nil, err
	}
	_, err = z.read(patience)
	if err == nil {
		err = tell()
	}
	var b []byte
	if err == nil {
		b, err = z.read(patience)
	}
	z.lost = err != nil // an answer that comes yet would be taken for another one
	return b, err
}

// send sends a message with descriptors.
func send(to *os.File, message []byte, files []uintptr) error {
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f)
		}
		rights = unix.UnixRights(fds...)
	}
	raw, err := to.SyscallConn()
	if err != nil {
		return err
	}
	_ = to.SetWriteDeadline(time.Now().Add(patience))
	var sent error
	err = raw.Write(func(fd uintptr) bool {
		sent = unix.Sendmsg(int(fd), message, rights, nil, unix.MSG_NOSIGNAL)
		return sent != unix.EAGAIN
	})
	return errors.Join(err, sent)
}
