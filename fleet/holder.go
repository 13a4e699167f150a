package fleet

import (
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/systemd"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// The holder is a process that outlives the daemon and does nothing but hold the
// listening sockets of apps without a master, so that a daemon that is killed
// loses no connection to them. It runs only while there are such sockets, and
// only where no service manager has a store for them.
//
// It speaks packets over <state>/sockets.sock, a name each, with a descriptor
// where there is one:
//
//	keep NAME +fd   hold this
//	drop NAME       no longer
//	list            answer with a "held NAME +fd" for each, and "end"
//	take APP        likewise those of one app, and drop them

// holderName is how the holder calls itself: the start of its first argument.
const holderName = "wsgid: sockets of "

// holderPatience is how long the sockets of a dead daemon wait for the next one.
// Clients of them wait as long. Tests that wait for its end link a shorter one.
var holderPatience = "1m"

// Main runs the part of the program that this process was executed for by the
// daemon, if any, and then does not return.
func Main() {
	if strings.HasPrefix(os.Args[0], holderName) {
		runHolder()
	}
}

func holderPath(stateDir string) string { return filepath.Join(stateDir, "sockets.sock") }

func runHolder() {
	runtime.GOMAXPROCS(1)
	unix.CloseOnExec(3)
	f := os.NewFile(3, "sockets")
	ln, err := net.FileListener(f)
	_ = f.Close()
	if err != nil {
		os.Exit(1)
	}
	l, ok := ln.(*net.UnixListener)
	if !ok {
		os.Exit(1)
	}
	l.SetUnlinkOnClose(false)
	runner.TrimMemory()
	patience, err := time.ParseDuration(holderPatience)
	if err != nil {
		os.Exit(1)
	}
	path, id := holderPath(strings.TrimPrefix(os.Args[0], holderName)), os.Getenv(holderEnv)
	held := map[string]*os.File{}
	for first := true; ; first = false {
		var c *net.UnixConn
		if first || len(held) > 0 {
			_ = l.SetDeadline(time.Now().Add(patience))
			c, _ = l.AcceptUnix()
		}
		if c == nil {
			if c = lastClient(l, path, id); c == nil {
				break
			}
		}
		serveHolder(c, held)
		_ = c.Close()
	}
	os.Exit(0)
}

// holderEnv tells the holder which file is its socket: socketID of it.
const holderEnv = "WSGID_HOLDER"

// lastClient takes the holder's socket away, and returns who came in that very
// moment, for whom it is put back. A file that is not the holder's own is another
// holder's: it stays. The lock keeps that one from being made meanwhile.
func lastClient(l *net.UnixListener, path, id string) *net.UnixConn {
	unlock, err := lockHolder(path)
	if err != nil {
		return nil // a file too many does no harm
	}
	defer unlock()
	mine := socketID(path) == id
	if mine && os.Rename(path, path+".old") != nil {
		return nil
	}
	_ = l.SetDeadline(time.Now().Add(10 * time.Millisecond))
	c, err := l.AcceptUnix()
	switch {
	case !mine:
	case err == nil:
		_ = os.Rename(path+".old", path)
	default:
		_ = os.Remove(path + ".old")
	}
	if err != nil {
		return nil
	}
	return c
}

// lockHolder keeps others from making or removing a holder's socket.
func lockHolder(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}

// socketID tells files apart, also those of one name; empty: there is none.
func socketID(path string) string {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil {
		return ""
	}
	return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// serveHolder does what one client asks, until it goes.
func serveHolder(c *net.UnixConn, held map[string]*os.File) {
	for {
		verb, name, f, err := readPacket(c)
		if err != nil {
			return
		}
		switch verb {
		case "keep":
			if f != nil {
				_ = held[name].Close() // nil: it says so
				held[name] = f
				f = nil
			}
		case "drop":
			_ = held[name].Close() // nil: it says so
			delete(held, name)
		case "list", "take":
			for _, n := range slices.Sorted(maps.Keys(held)) {
				if app, _, _ := systemd.ParseStoreName(n); verb == "take" && app != name {
					continue
				}
				if writePacket(c, "held", n, held[n]) != nil {
					return
				}
				if verb == "take" {
					_ = held[n].Close()
					delete(held, n)
				}
			}
			if writePacket(c, "end", "", nil) != nil {
				return
			}
		}
		if f != nil {
			_ = f.Close()
		}
	}
}

// packetTimeout bounds one packet to or from the holder.
const packetTimeout = 5 * time.Second

func writePacket(c *net.UnixConn, verb, name string, f *os.File) error {
	_ = c.SetWriteDeadline(time.Now().Add(packetTimeout))
	text := []byte(verb + " " + name)
	if f == nil {
		_, err := c.Write(text)
		return err
	}
	return control(f, func(fd int) error {
		_, _, err := c.WriteMsgUnix(text, unix.UnixRights(fd), nil)
		return err
	})
}

func readPacket(c *net.UnixConn) (verb, name string, f *os.File, err error) {
	text, oob := make([]byte, 1024), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := c.ReadMsgUnix(text, oob)
	if err != nil {
		return "", "", nil, err
	}
	if n == 0 {
		return "", "", nil, net.ErrClosed // the other side is gone
	}
	verb, name, _ = strings.Cut(string(text[:n]), " ")
	if m > 0 {
		msgs, err := unix.ParseSocketControlMessage(oob[:m])
		if err != nil || len(msgs) != 1 {
			return "", "", nil, fmt.Errorf("cannot read a descriptor: %d messages came with it: %w", len(msgs), err)
		}
		fds, err := unix.ParseUnixRights(&msgs[0])
		if err != nil || len(fds) != 1 {
			for _, fd := range fds {
				_ = unix.Close(fd)
			}
			return "", "", nil, fmt.Errorf("cannot read a descriptor: %d came: %w", len(fds), err)
		}
		unix.CloseOnExec(fds[0])
		_ = unix.SetNonblock(fds[0], true)
		f = os.NewFile(uintptr(fds[0]), name)
	}
	return verb, name, f, nil
}

// holding is the daemon's side: a nil one holds nothing.
type holding struct {
	stateDir string
	log      *slog.Logger
	// kept calls do with the sockets that are kept for an app.
	kept func(app string, do func(files map[string]*os.File))

	mu     sync.Mutex          // guards what follows; the keeper's is taken under it
	conn   *net.UnixConn       // nil: none runs
	said   chan struct{}       // it has answered on conn; closed when conn has ended
	names  map[string][]string // what it has, by app
	since  time.Time           // when conn was opened
	warned bool
}

// openHolding takes up with the holder of an earlier daemon, if there is one, and
// returns what it has by app and listen string.
func openHolding(stateDir string, log *slog.Logger, kept func(string, func(map[string]*os.File))) (*holding, map[string]map[string]*os.File) {
	h := &holding{stateDir: stateDir, log: log, kept: kept, names: map[string][]string{}}
	c, err := dialHolder(stateDir)
	if err != nil {
		return h, nil
	}
	files, err := askHolder(c, "list", "")
	if err != nil {
		_ = c.Close()
		return h, files
	}
	h.follow(c)
	for app, listens := range files {
		for listen := range listens {
			name, _ := systemd.StoreName(app, listen)
			h.names[app] = append(h.names[app], name)
		}
	}
	return h, files
}

// takeHeld takes the sockets of one app away from the holder of a daemon that is
// no more.
func takeHeld(stateDir, app string) map[string]*os.File {
	c, err := dialHolder(stateDir)
	if err != nil {
		return nil
	}
	defer c.Close()
	files, _ := askHolder(c, "take", app)
	return files[app]
}

func dialHolder(stateDir string) (*net.UnixConn, error) {
	return net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: holderPath(stateDir), Net: "unixpacket"})
}

func askHolder(c *net.UnixConn, verb, app string) (map[string]map[string]*os.File, error) {
	out := map[string]map[string]*os.File{}
	if err := writePacket(c, verb, app, nil); err != nil {
		return out, err
	}
	_ = c.SetReadDeadline(time.Now().Add(packetTimeout))
	for {
		answer, name, f, err := readPacket(c)
		if err != nil || answer != "held" {
			return out, err
		}
		app, listen, ok := systemd.ParseStoreName(name)
		if !ok || f == nil || systemd.CheckListening(f, true) != nil {
			_ = f.Close() // nil: it says so
			continue
		}
		if out[app] == nil {
			out[app] = map[string]*os.File{}
		}
		out[app][listen] = f
	}
}

// set makes the holder have these sockets of an app and no others. The sockets of
// units are the service manager's to hold.
func (h *holding) set(app string, files map[string]*os.File) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.give(app, files)
}

// drop has the holder let go of the sockets of an app. When it returns that is done:
// nobody who connects from now on waits where nobody will serve him, and another
// program may listen there.
func (h *holding) drop(app string) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.names[app]) == 0 {
		return
	}
	h.give(app, nil)
	h.confirm()
}

// holderAnswers is how long a holder may take for what it was told.
const holderAnswers = 2 * time.Second

// confirm waits until the holder has done what it was told; it needs mu.
func (h *holding) confirm() {
	// Any version of it answers to this, after what came before: no app is called so.
	if h.conn == nil || writePacket(h.conn, "take", "", nil) != nil {
		return
	}
	select {
	case <-h.said:
	case <-time.After(holderAnswers):
	}
}

// give is set; it needs mu.
func (h *holding) give(app string, files map[string]*os.File) {
	if h.conn == nil && len(files) == 0 {
		return
	}
	var err error
	if h.conn == nil {
		err = h.start()
	}
	var now []string
	for _, listen := range slices.Sorted(maps.Keys(files)) {
		name, ok := systemd.StoreName(app, listen)
		if err != nil || !ok || strings.HasPrefix(listen, systemd.ListenPrefix) {
			continue
		}
		now = append(now, name)
		err = writePacket(h.conn, "keep", name, files[listen])
	}
	for _, name := range h.names[app] {
		if err == nil && !slices.Contains(now, name) {
			err = writePacket(h.conn, "drop", name, nil)
		}
	}
	if h.names[app] = now; len(now) == 0 {
		delete(h.names, app)
	}
	if err == nil {
		return
	}
	if h.conn != nil {
		_ = h.conn.Close() // who follows it sees that, and has another take its place
	}
	if !h.warned {
		h.warned = true
		h.log.Warn("cannot hold the sockets of idle apps in a process of their own", "err", err,
			"next", "they are closed if the daemon is killed, until it runs again")
	}
}

// start needs mu: it executes the holder.
func (h *holding) start() error {
	path := holderPath(h.stateDir)
	unlock, err := lockHolder(path)
	if err != nil {
		return err
	}
	defer unlock()
	_ = os.Remove(path)
	ln, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return err
	}
	ln.SetUnlinkOnClose(false)
	defer ln.Close()
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	f, err := ln.File()
	if err != nil {
		return err
	}
	defer f.Close()
	cmd := exec.Cmd{
		Path: "/proc/self/exe", Args: []string{holderName + h.stateDir}, Dir: "/", Env: []string{"PATH=" + os.Getenv("PATH"), holderEnv + "=" + socketID(path)},
		ExtraFiles: []*os.File{f}, SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }()
	c, err := dialHolder(h.stateDir)
	if err == nil {
		h.follow(c)
	}
	return err
}

// holderRest is how long a holder must have run to be replaced at once.
const holderRest = time.Second

// follow takes up with a holder; it needs mu, or that nobody else has h. Another
// one takes the place of a holder that ends: it was killed.
func (h *holding) follow(c *net.UnixConn) {
	said := make(chan struct{}, 1)
	h.conn, h.said, h.since = c, said, time.Now()
	_ = c.SetReadDeadline(time.Time{})
	go func() {
		for b := make([]byte, 64); ; {
			if n, err := c.Read(b); n == 0 || err != nil {
				break
			}
			select {
			case said <- struct{}{}:
			default: // nobody has waited that long
			}
		}
		close(said)
		h.mu.Lock()
		current, lived := h.conn == c, time.Since(h.since)
		h.mu.Unlock()
		if !current {
			return
		}
		if lived < holderRest {
			time.Sleep(holderRest)
		}
		h.renew(c)
	}()
}

// swept tells that the holder's socket was taken away: the next daemon would not
// find it.
func (h *holding) swept() bool {
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.conn != nil && socketID(holderPath(h.stateDir)) == ""
}

// renew has another holder take the place of this one, which cannot be found or
// has ended.
func (h *holding) renew(old *net.UnixConn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn != old || old == nil {
		return
	}
	names := h.names
	h.conn, h.names, h.warned = nil, map[string][]string{}, false
	for app := range names {
		h.kept(app, func(files map[string]*os.File) { h.give(app, files) })
	}
	// The sockets are held twice until here. Without any, the old holder ends.
	for _, list := range names {
		for _, name := range list {
			_ = writePacket(old, "drop", name, nil)
		}
	}
	_ = old.Close()
}

// unsweep is renew where the holder's socket was swept away.
func (h *holding) unsweep() {
	if !h.swept() {
		return
	}
	h.mu.Lock()
	old := h.conn
	h.mu.Unlock()
	h.renew(old)
}

// close has the holder drop all that it has, and end. When it returns nothing is held.
func (h *holding) close() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn == nil {
		return
	}
	for _, names := range h.names {
		for _, name := range names {
			_ = writePacket(h.conn, "drop", name, nil)
		}
	}
	h.confirm()
	_ = h.conn.Close()
	h.conn = nil
}
