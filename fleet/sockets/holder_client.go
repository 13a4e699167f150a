package sockets

import (
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/systemd"
)

// Holder is the daemon's side: a nil one holds nothing.
type Holder struct {
	stateDir string
	log      *slog.Logger
	// kept calls do with the sockets that are kept for an app.
	kept func(app string, do func(files map[string]*os.File))

	mu     sync.Mutex          // guards what follows; the store's is taken under it
	conn   *net.UnixConn       // nil: none runs
	said   chan struct{}       // it has answered on conn; closed when conn has ended
	names  map[string][]string // what it has, by app
	since  time.Time           // when conn was opened
	warned bool
}

// OpenHolder takes up with the holder of an earlier daemon, if there is one, and
// returns what it has by app and listen string.
func OpenHolder(stateDir string, log *slog.Logger, kept func(string, func(map[string]*os.File))) (*Holder, map[string]map[string]*os.File) {
	h := &Holder{stateDir: stateDir, log: log, kept: kept, names: map[string][]string{}}
	c, err := DialHolder(stateDir)
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

// TakeHeld takes the sockets of one app away from the holder of a daemon that is
// no more.
func TakeHeld(stateDir, app string) map[string]*os.File {
	c, err := DialHolder(stateDir)
	if err != nil {
		return nil
	}
	defer c.Close()
	files, _ := askHolder(c, "take", app)
	return files[app]
}

// DialHolder connects to the holder, if one runs.
func DialHolder(stateDir string) (*net.UnixConn, error) {
	return net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: HolderPath(stateDir), Net: "unixpacket"})
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

// Set makes the holder have these sockets of an app and no others. The sockets of
// units are the service manager's to hold.
func (h *Holder) Set(app string, files map[string]*os.File) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.give(app, files)
}

// Drop has the holder let go of the sockets of an app. When it returns that is done:
// nobody who connects from now on waits where nobody will serve him, and another
// program may listen there.
func (h *Holder) Drop(app string) {
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
func (h *Holder) confirm() {
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
func (h *Holder) give(app string, files map[string]*os.File) {
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
			"next", "if the daemon is killed they are closed until it runs again")
	}
}

// start needs mu: it executes the holder.
func (h *Holder) start() error {
	path := HolderPath(h.stateDir)
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
		Path: "/proc/self/exe", Args: []string{HolderName + h.stateDir}, Dir: "/", Env: []string{"PATH=" + os.Getenv("PATH"), holderEnv + "=" + SocketID(path)},
		ExtraFiles: []*os.File{f}, SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }()
	c, err := DialHolder(h.stateDir)
	if err == nil {
		h.follow(c)
	}
	return err
}

// holderRest is how long a holder must have run to be replaced at once.
const holderRest = time.Second

// follow takes up with a holder; it needs mu, or that nobody else has h. Another
// one takes the place of a holder that ends: it was killed.
func (h *Holder) follow(c *net.UnixConn) {
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

// Swept tells that the holder's socket was taken away: the next daemon would not
// find it.
func (h *Holder) Swept() bool {
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.conn != nil && SocketID(HolderPath(h.stateDir)) == ""
}

// renew has another holder take the place of this one, which cannot be found or
// has ended.
func (h *Holder) renew(old *net.UnixConn) {
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

// Restore is renew where the holder's socket was swept away.
func (h *Holder) Restore() {
	if !h.Swept() {
		return
	}
	h.mu.Lock()
	old := h.conn
	h.mu.Unlock()
	h.renew(old)
}

// Close has the holder drop all that it has, and end. When it returns nothing is held.
func (h *Holder) Close() {
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
