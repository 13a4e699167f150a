package master

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/boot"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
	"github.com/wsgid-fleet/wsgid-fleet/runner/version"
)

// gateProcess is the process of a gate. It is started from the program of the masters,
// and found, proved, updated, replaced and told of its listeners as a master is: the
// same record, the same control socket, the same listener store. Its fields belong
// to the loop once run has been called.
type gateProcess struct {
	spec    *appspec.Spec
	dir     string // <state>/apps/_gate
	sockets string // the folder of the sockets of the apps
	doors   int    // an O_PATH descriptor of it
	folder  string // device and inode of its own folder
	loop    *evloop.Loop
	log     *applog.Log
	server  *gate.Server
	control *controlServer
	record  control.Record

	generation int
	version    uint64
	waiters    []chan struct{}
	draining   bool
	deadline   evloop.Timer
	guard      *gateGuard
}

// gateReserve is how many descriptors of a gate are not for connections without an app.
const gateReserve = 1024

// wantedFiles is how many descriptors a gate asks for.
const wantedFiles = 65536

// runGate serves until the gate has drained.
func runGate(msg boot.Message, link *os.File, files map[string]int, signals []chan os.Signal) error {
	g, err := newGateProcess(msg, files)
	if err != nil {
		return err
	}
	boot.Reply(link, nil)
	return g.run(signals)
}

func newGateProcess(msg boot.Message, files map[string]int) (*gateProcess, error) {
	spec := msg.Spec
	g := &gateProcess{spec: spec, dir: control.AppDir(msg.StateDir, spec.Name), sockets: control.GateSockets(msg.StateDir), generation: msg.Generation, version: 1}
	var err error
	if g.doors, err = unix.Open(g.sockets, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", g.sockets, err)
	}
	root := appdir.FromDescriptor(msg.Folder, spec.Path)
	var st unix.Stat_t
	if err := unix.Fstat(msg.Folder, &st); err == nil {
		g.folder = fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	}
	uid, gid := -1, -1
	if msg.User.Change {
		uid, gid = msg.User.UID, msg.User.GID
	}
	stderr := applog.NoStderr
	if msg.Foreground || msg.Stderr {
		stderr = 2
	}
	applog.KeepJournal()
	g.log = applog.Open(applog.Places{Root: root, Stderr: stderr}, spec, uid, gid, msg.Foreground)
	g.log.CatchCrashes()
	if g.loop, err = evloop.New(); err != nil {
		return nil, err
	}
	g.loop.Tick()
	most := g.mostFiles()
	g.server = &gate.Server{Loop: g.loop, Dial: g.dial, Max: most - gateReserve, Emptied: g.end, Say: g.log.Info}
	g.server.Start()
	g.configure(spec)
	for i := range spec.Sockets.HTTP {
		name := spec.Sockets.HTTP[i].Listen
		fd, ok := files[name]
		if !ok {
			return nil, fmt.Errorf("cannot listen on %s: its socket was not passed on", name)
		}
		take := g.server.Listen
		if spec.Sockets.HTTP[i].Adopts {
			take = g.server.ListenBack
		}
		if err := take(name, fd); err != nil {
			return nil, err
		}
		if err := listen.Start(fd); err != nil {
			return nil, fmt.Errorf("cannot listen on %s: %w", name, err)
		}
	}
	start, err := appdir.StartTime(os.Getpid())
	if err != nil {
		return nil, err
	}
	g.record = control.Record{App: spec.Name, PID: os.Getpid(), StartTime: start, BootID: control.BootID(), Since: time.Now(),
		Program: version.Program, Generation: msg.Generation, SpecDigest: appspec.Digest(spec), Path: spec.Path}
	if g.control, err = newControlServer(g, g.dir, g.loop, g.log); err != nil {
		return nil, err
	}
	if err := g.record.Write(g.dir); err != nil {
		return nil, err
	}
	if err := g.drop(msg.User); err != nil {
		g.record.Remove(g.dir)
		return nil, err
	}
	g.guard = &gateGuard{g: g, most: most}
	g.guard.start()
	if err := g.server.Accept(); err != nil {
		return nil, err
	}
	g.log.Info(fmt.Sprintf("gate starting: wsgid %s, generation %d, runs as %s, listens on %s", version.Program, msg.Generation, msg.User.Name, strings.Join(g.listens(), ", ")))
	return g, nil
}

func (g *gateProcess) listens() (out []string) {
	for _, s := range g.spec.Sockets.HTTP {
		if !s.Adopts {
			out = append(out, s.Listen)
		}
	}
	return out
}

// mostFiles raises the limit of descriptors, as far as it may, and returns it.
func (g *gateProcess) mostFiles() int {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return 2 * gateReserve
	}
	if l.Max < wantedFiles {
		_ = syscall.Setrlimit(unix.RLIMIT_NOFILE, &syscall.Rlimit{Cur: wantedFiles, Max: wantedFiles}) // root may
	} else {
		_ = syscall.Setrlimit(unix.RLIMIT_NOFILE, &syscall.Rlimit{Cur: max(l.Cur, wantedFiles), Max: l.Max})
	}
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &l)
	return int(max(min(l.Cur, 1<<20), 2*gateReserve))
}

// drop gives up what only root may do: whoever takes the gate over by what he sends
// gets no more than its user. Its record is root's, and is not written again.
func (g *gateProcess) drop(u sandbox.User) error {
	if u.Change {
		err := syscall.Setgroups([]int{u.GID})
		if err == nil {
			err = syscall.Setgid(u.GID)
		}
		if err == nil {
			err = syscall.Setuid(u.UID)
		}
		if err != nil {
			return fmt.Errorf("cannot become user %s: %w", u.Name, err)
		}
		// Its own /proc/self/fd is closed to a process that has changed its user.
		_ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
	}
	_ = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	return nil
}

// dial connects to the socket of an app. The folder may have been made anew since we
// opened it.
func (g *gateProcess) dial(app string) (int, error) {
	fd, err := gate.DialAt(g.doors, app)
	if path := filepath.Join(g.sockets, app); errors.Is(err, unix.ENOENT) && len(path) < 100 {
		if again, aerr := gate.DialPacket(path); aerr == nil {
			return again, nil
		}
	}
	return fd, err
}

// configure takes over names and sources.
func (g *gateProcess) configure(spec *appspec.Spec) {
	c := gate.Config{Wait: map[string]time.Duration{}, Listeners: map[string]gate.ListenerConfig{}, TLS: map[string]bool{}}
	names, certified, others := map[string]string{}, map[string]string{}, spec.Gate.Default
	for _, r := range spec.Gate.Routes {
		for _, h := range r.Hosts {
			names[h] = r.App
		}
		for _, h := range r.Certified {
			certified[h] = r.App
		}
		if r.Others {
			others = r.App
		}
		c.Wait[r.App], c.TLS[r.App] = r.Wait.D(), r.TLS
	}
	c.Certified = gate.NewTable(certified, "")
	for i, s := range spec.Sockets.HTTP {
		c.Listeners[s.Listen] = gate.ListenerConfig{TLS: s.TLS != nil, Redirect: s.Redirect == "https"}
		first := !slices.ContainsFunc(spec.Sockets.HTTP[:i], func(o appspec.HTTPSocket) bool { return o.TLS != nil })
		if _, port, err := net.SplitHostPort(s.Listen); err == nil && s.TLS != nil && first && port != "443" {
			c.HTTPS = ":" + port
		}
	}
	c.Table = gate.NewTable(names, others)
	for _, s := range spec.Gate.ProxyProtocol {
		if p, err := netip.ParsePrefix(s); err == nil {
			c.Proxies = append(c.Proxies, p)
		}
	}
	g.server.Configure(c)
}

func (g *gateProcess) run(signals []chan os.Signal) error {
	hearSignals(g.loop, signals, g.onSignal)
	go g.control.serve()
	time.AfterFunc(boot.TrimAfter, boot.TrimMemory)
	err := g.loop.Run()
	g.guard.stop()
	g.control.close()
	g.record.Remove(g.dir) // where we may
	if err == nil {
		g.log.Info("gate ends")
	} else {
		g.log.Error(err.Error())
	}
	g.log.Close()
	return err
}

func (g *gateProcess) onSignal(s syscall.Signal) {
	switch s { //nolint:exhaustive // only what run asked for comes
	case unix.SIGTERM, unix.SIGINT:
		g.drain("signal "+unix.SignalName(s), false)
	case unix.SIGHUP:
		g.log.Reopen()
	}
}

// drainLimit is how long a gate that drains waits for its last connections.
const drainLimit = 45 * time.Second

// drain stops accepting, finishes what was accepted and ends the process.
func (g *gateProcess) drain(why string, successor bool) {
	if g.draining {
		return
	}
	g.draining = true
	g.log.Info("draining: " + why)
	g.deadline.Do = g.loop.Stop
	g.loop.Set(&g.deadline, drainLimit)
	g.server.Drain(successor)
	g.changed()
}

// end: nothing is left. Who asked for the end gets his answer first.
func (g *gateProcess) end() { g.loop.Stop() }

// changed wakes those who wait for a change of state.
func (g *gateProcess) changed() {
	g.version++
	for _, ch := range g.waiters {
		close(ch)
	}
	g.waiters = nil
}

// state implements controlled.
func (g *gateProcess) state() control.Status {
	counts := g.server.Snapshot()
	st := control.Status{Version: g.version, App: g.spec.Name, PID: os.Getpid(), Since: g.record.Since, Program: version.Program,
		Generation: g.generation, SpecDigest: appspec.Digest(g.spec), WantDigest: appspec.Digest(g.spec), Folder: g.folder,
		State: control.StateReady, Min: g.spec.Workers.Min, Max: g.spec.Workers.Max, RSS: appdir.ResidentSize(os.Getpid()), Workers: []control.WorkerInfo{}, Gate: &counts}
	st.LogError, st.LogLost = g.log.Status()
	if g.draining {
		st.State, st.Reason = control.StateStopping, "draining"
	}
	return st
}

// wait implements controlled.
func (g *gateProcess) wait(changed chan struct{}) { g.waiters = append(g.waiters, changed) }

// adoptHanded implements controlled.
func (g *gateProcess) adoptHanded(fd int, h *control.Conn) {
	_ = unix.SetNonblock(fd, true)
	g.server.Adopt(h.Listener, fd)
}

// order implements controlled.
func (g *gateProcess) order(req *control.Request, fds []int) (ans control.Answer, files []int) {
	defer func() { evloop.CloseAll(fds) }()
	if (req.Op == "update" || req.Op == "stderr") && len(fds) > 0 {
		g.log.UseStderr(fds[0])
		fds = fds[1:]
	}
	switch req.Op {
	case "update":
		if req.Spec == nil || req.Spec.Gate == nil {
			ans.Error = "cannot update: no spec, or none of a gate"
			break
		}
		g.loop.Call(func() {
			g.spec, g.generation = req.Spec, req.Generation
			g.configure(req.Spec)
			g.log.Configure(req.Spec)
			g.log.Info(fmt.Sprintf("updating to generation %d in place", req.Generation))
			g.changed()
		})
	case "challenges":
		g.loop.Call(func() {
			if err := g.server.SetChallenges(req.Challenges); err != nil {
				ans.Error = err.Error()
			}
		})
	case "reload":
		g.log.Reopen()
		g.loop.Call(g.changed)
	case "stderr", "scale", "retry":
	case "drain":
		g.loop.Call(func() {
			why := "asked to"
			if req.Successor != "" {
				why = "a new gate takes over"
			}
			g.drain(why, req.Successor != "")
		})
	case "listeners":
		g.loop.Call(func() {
			g.server.Listeners(func(name string, fd int) { files = answerListener(&ans, files, name, fd) })
		})
	default:
		ans.Error = control.NoSuchOperation(req.Op)
	}
	return ans, files
}
