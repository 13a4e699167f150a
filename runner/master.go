package runner

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
	"github.com/wsgid-fleet/wsgid-fleet/runner/httpserver"
	"github.com/wsgid-fleet/wsgid-fleet/runner/ingress"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/link/lazyzmq"
	"github.com/wsgid-fleet/wsgid-fleet/runner/pool"
	"github.com/wsgid-fleet/wsgid-fleet/runner/process"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
	"github.com/wsgid-fleet/wsgid-fleet/runner/static"
)

// master is the process of one app: it owns the app's sockets and its pool.
// Its fields belong to the loop once run has been called.
type master struct {
	boot    bootMessage
	spec    *appspec.Spec                     // what was asked for last; the pool may still run the one before
	dir     string                            // <state>/apps/<app>
	view    func(*appspec.Spec) *appspec.Spec // the spec as the workers see it, inside the chroot if there is one
	root    *appdir.RootFs                    // the app folder
	folder  string                            // device and inode of root
	data    *os.Root                          // the data directory; nil: it cannot be opened
	gates   int                               // the folder of the gate's socket; -1: there is none
	chroot  *sandbox.Chroot                   // nil: there is none
	loop    *evloop.Loop
	log     *applog.Log
	pool    *pool.Pool
	env     *ingress.Env // of all ingresses
	http    *httpserver.Server
	control *controlServer
	record  control.Record

	digested   *appspec.Spec // what lastDigest is of, see digest
	lastDigest string

	processes *process.Set // what runs beside the workers; nil: nothing has since the start

	m2      []*mongrel2Ingress
	tls     *tlsIngress // nil: no socket has tls
	crew    *static.Crew
	site    atomic.Pointer[static.Site] // for the goroutines of tls; nil: no static blocks
	filters atomic.Bool                 // the app has request filters: mongrel2 requests carry their message

	waiters   []chan struct{} // closed when the state changes
	accepting bool
	draining  bool
	deaf      string       // why it does not accept, though its workers are ready
	again     evloop.Timer // the next try to
	deadline  evloop.Timer
	settle    evloop.Timer
	rest      rest
	ended     bool
	restoring bool // the state directory is being made anew
	spawner   *pool.Spawner
}

// runMaster is the main function of a master process.
func runMaster() {
	nameProcess(strings.TrimPrefix(os.Args[0], MasterTitle))
	// From the first moment: what comes while it starts is done when it runs.
	signals := listenToSignals()
	boot, link, files, err := readBoot()
	if err == nil && boot.Spec.Gate != nil {
		err = runGate(boot, link, files, signals)
	} else if err == nil {
		var m *master
		if m, err = newMaster(boot, files); err == nil {
			answerBoot(link, nil)
			err = m.run(signals)
		}
	}
	if err != nil {
		answerBoot(link, err)
		fmt.Fprintln(os.Stderr, "wsgid: "+err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

func newMaster(boot bootMessage, files map[string]int) (*master, error) {
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	spec := boot.Spec
	m := &master{boot: boot, spec: spec, dir: appDir(boot.StateDir, spec.Name)}
	user, hostDir := boot.User, boot.HostDir
	python, err := appdir.ResolvePython(spec)
	if err != nil {
		return nil, err
	}
	spool, err := openSpool()
	if err != nil {
		return nil, err
	}
	m.view = func(s *appspec.Spec) *appspec.Spec { return s }
	m.data = openData(boot)
	m.openGates()
	if spec.Chroot {
		if len(spec.Sockets.Mongrel2) > 0 {
			if err := lazyzmq.Load(); err != nil {
				return nil, err
			}
		}
		applog.KeepJournal()
		if m.chroot, err = sandbox.NewChroot(spec, boot.folder, python, m.dir, hostDir); err != nil {
			return nil, err
		}
		// The same folder, with what is mounted below it, which the descriptor of
		// the old root has lost.
		if boot.folder, err = unix.Open(sandbox.AppFolder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
			return nil, fmt.Errorf("cannot open app folder %s: %w", spec.Path, err)
		}
		m.view = sandbox.Inside
	}
	m.root = appdir.FromDescriptor(boot.folder, spec.Path)
	var st unix.Stat_t
	if err := unix.Fstat(boot.folder, &st); err == nil {
		m.folder = fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	}
	uid, gid := -1, -1
	if user.Change {
		uid, gid = user.UID, user.GID
	}
	stderr := applog.NoStderr
	if boot.Foreground || boot.Stderr {
		stderr = 2
	}
	m.log = applog.Open(applog.Places{Root: m.root, Apart: applog.Besides(m.data), Stderr: stderr}, spec, uid, gid, boot.Foreground)
	m.log.CatchCrashes()
	if m.loop, err = evloop.New(); err != nil {
		return nil, err
	}
	m.pool = pool.New(m.loop, m.log, m.root, spec)
	m.recallServed()
	m.pool.Changed = m.onChange
	m.loop.Poll = m.pool.PollRings
	m.log.OnStatus(func() { m.loop.Post(m.pool.NotifyChanged) })
	m.pool.Admitted = m.filters.Store
	m.pool.Emptied = m.onPoolEmpty
	sp := pool.NewSpawner(m.loop, m.log, user, boot.Env, hostDir, m.chroot.Workers())
	m.spawner = sp
	m.chroot.Follow(m.log)
	m.pool.AskPython = func() (err error) {
		// It is the app's own code, and runs where the workers do.
		sp.There(func() {
			if _, err = appdir.PythonVersion(context.Background(), python, boot.User.Owner); err != nil {
				return
			}
			// It cannot read what it is to run.
			if why := appdir.ClosedTo(filepath.Join(hostDir, "wsgid"), boot.User.Owner); why != "" {
				err = fmt.Errorf("cannot start worker: %s, or choose another --state-dir", why)
			}
		})
		return err
	}
	m.pool.StartWith(sp, m.view)
	m.env = ingress.New(m.loop, m.pool, m.log, spool, spec)
	m.http = httpserver.New(m.env)
	m.http.Emptied = m.checkDrained
	m.http.DialGate = m.dialGate
	m.http.ServeTLS = func(fd int, p *gate.Passed) { m.https().adopt(fd, p) }
	m.crew = newCrew(user, m.log)
	m.pool.Configured = m.configureStatic
	m.deadline.Do = m.onDeadline
	m.rest.init(m)
	start, err := appdir.StartTime(os.Getpid())
	if err != nil {
		return nil, err
	}
	m.record = control.Record{App: spec.Name, PID: os.Getpid(), StartTime: start, BootID: control.BootID(), Since: time.Now(),
		Program: Version, Generation: boot.Generation, SpecDigest: m.digest(spec), Path: spec.Path}
	if m.control, err = newControlServer(m, m.dir, m.loop, m.log); err != nil {
		return nil, err
	}
	if err := m.record.Write(m.dir); err != nil {
		return nil, err
	}
	if err := m.openSockets(files); err != nil {
		m.record.Remove(m.dir)
		return nil, err
	}
	if !boot.Standby {
		if err := m.accept(); err != nil {
			m.record.Remove(m.dir)
			return nil, err
		}
	}
	if err := m.root.MarkPID(appdir.Master, os.Getpid()); err != nil {
		if m.root.ReadOnly() {
			m.log.Info("no pid files are written: the app folder is on a read-only file system")
		} else {
			m.log.Warn(err.Error())
		}
	}
	m.loop.Tick()
	m.log.Info(fmt.Sprintf("master of %s starts: wsgid %s, generation %d, workers run as %s", spec.Name, Version, boot.Generation, user.Name))
	m.pool.Start()
	return m, nil
}

// openSockets takes over the listening sockets that came with the boot.
func (m *master) openSockets(files map[string]int) error {
	for i := range m.spec.Sockets.HTTP {
		s := &m.spec.Sockets.HTTP[i]
		fd, ok := files[s.Listen]
		if !ok {
			return fmt.Errorf("cannot listen on %s: its socket was not handed over", s.Listen)
		}
		if s.TLS == nil {
			if err := m.http.Listen(s.Listen, fd, s.Adopts); err != nil {
				return err
			}
			continue
		}
		if err := m.https().listen(s, fd); err != nil {
			return err
		}
	}
	return nil
}

// https is the ingress for TLS, made as soon as there is need of it.
func (m *master) https() *tlsIngress {
	if m.tls == nil {
		m.tls = newTLSIngress(m.env, m.chroot.Open)
		m.http.CloseIdle = m.tls.server.ShedIdle
		m.tls.left = m.checkDrained
		m.tls.site = &m.site
		m.tls.configure()
	}
	return m.tls
}

// accept begins to take requests. A master that replaces another does so only
// when it can serve them: until then they are the other's.
func (m *master) accept() error {
	if m.accepting {
		return nil
	}
	if err := m.http.Accept(); err != nil {
		return err
	}
	if m.tls != nil {
		if err := m.tls.accept(); err != nil {
			return err
		}
	}
	for i := len(m.m2); i < len(m.spec.Sockets.Mongrel2); i++ {
		s := &m.spec.Sockets.Mongrel2[i]
		in, err := openMongrel2(m.env, s, &m.filters)
		if err != nil {
			return fmt.Errorf("cannot open mongrel2 sockets %s and %s: %w", s.Recv, s.Send, err)
		}
		in.left = m.checkDrained
		m.m2 = append(m.m2, in)
	}
	m.accepting = true
	return nil
}

// hearSignals brings what comes on each channel to the loop, in its order.
func hearSignals(loop *evloop.Loop, signals []chan os.Signal, on func(syscall.Signal)) {
	signal.Ignore(unix.SIGPIPE)
	for _, c := range signals {
		go func() {
			for s := range c {
				loop.Post(func() { on(s.(syscall.Signal)) })
			}
		}()
	}
}

// run serves until the master has drained.
func (m *master) run(signals []chan os.Signal) error {
	hearSignals(m.loop, signals, m.onSignal)
	go m.control.serve()
	time.AfterFunc(TrimAfter, TrimMemory)
	err := m.loop.Run()
	if !m.http.HasSuccessor() {
		if n := pool.EndStrays(); n > 0 {
			m.log.Warn(fmt.Sprintf("%d processes that the app had started in sessions of their own were ended with it", n))
		}
	}
	m.control.close()
	for _, in := range m.m2 {
		in.close()
	}
	m.record.Remove(m.dir)
	m.root.UnmarkPID(appdir.Master, os.Getpid())
	if err == nil {
		m.log.Info("master ends")
	} else {
		m.log.Error(err.Error())
	}
	m.pool.Access.Flush()
	m.log.Close()
	return err
}

// listenToSignals gives each kind a channel of its own: none is pushed out by many
// of another.
func listenToSignals() (all []chan os.Signal) {
	for _, kind := range [][]os.Signal{{unix.SIGTERM, unix.SIGINT}, {unix.SIGHUP}, {unix.SIGTTIN, unix.SIGTTOU}, {unix.SIGCHLD}, {signalRestore}} {
		c := make(chan os.Signal, 16)
		signal.Notify(c, kind...)
		all = append(all, c)
	}
	return all
}

// onSignal: see the contract, section 6.
func (m *master) onSignal(s syscall.Signal) {
	if m.draining && s != unix.SIGCHLD && s != signalRestore {
		return // it is on its way; the next master is told, if there is one
	}
	switch s { //nolint:exhaustive // only what run asked for comes
	case signalRestore:
		m.restore()
	case unix.SIGCHLD:
		m.pool.OnChild()
	case unix.SIGTERM, unix.SIGINT:
		m.drain("signal " + unix.SignalName(s))
	case unix.SIGHUP:
		m.log.Reopen()
		m.pool.RollTo(m.spec, "signal SIGHUP")
	case unix.SIGTTIN:
		m.pool.Grow()
	case unix.SIGTTOU:
		m.pool.Shrink()
	}
}

// update takes over a spec whose changes are at most rolling.
func (m *master) update(spec *appspec.Spec, generation int, rolling bool) {
	m.spec = spec
	m.env.Configure(spec)
	m.http.Configure()
	if m.tls != nil {
		m.tls.configure()
	}
	for _, in := range m.m2 {
		in.configure()
	}
	m.log.Configure(spec)
	m.pool.Update(spec, generation, rolling)
	m.record.Generation = generation
	m.saveRecord()
	m.pool.NotifyChanged()
}

func (m *master) saveRecord() {
	m.record.SpecDigest = m.digest(m.pool.Running())
	m.record.Draining = m.draining
	if err := m.record.Write(m.dir); err != nil {
		m.log.Error(err.Error())
	}
}

// drain finishes what was accepted and ends the process.
func (m *master) drain(why string) {
	if m.draining {
		return
	}
	m.draining = true
	m.log.Info("draining: " + why)
	m.saveRecord()
	m.loop.Set(&m.deadline, m.spec.Workers.StopTimeout.D()+5*time.Second)
	// Before the HTTP server, which may be empty at once: mongrel2 goes on sending until it
	// has heard of it.
	m.settle.Do = m.checkDrained
	m.loop.Set(&m.settle, settleTime)
	for _, in := range m.m2 {
		in.detach()
	}
	m.http.Leave() // before TLS ends, which somebody who waited may speak
	if m.tls != nil {
		ctx, cancel := context.WithTimeout(context.Background(), m.spec.Workers.StopTimeout.D())
		m.loop.OnEnd(cancel)
		m.tls.drain(ctx)
	}
	m.http.Drain()
	m.pool.NotifyChanged()
}

// settleTime is how long a leaving mongrel2 handler is still listened to.
const settleTime = 200 * time.Millisecond

// checkDrained stops the pool when no request is left and none can come.
func (m *master) checkDrained() {
	if !m.draining || !m.http.Empty() || (m.tls != nil && !m.tls.stopped) {
		return
	}
	if len(m.m2) > 0 && m.settle.IsSet() {
		return
	}
	for _, in := range m.m2 {
		if !in.idle() {
			if !m.settle.IsSet() {
				m.loop.Set(&m.settle, settleTime) // a reply may be on its way out
			}
			return
		}
	}
	m.pool.Stop()
}

func (m *master) onPoolEmpty() {
	if m.ended {
		return
	}
	m.ended = true
	if !m.draining {
		m.drain("the last worker is gone")
	}
	m.finish()
}

// onDeadline: draining took too long.
func (m *master) onDeadline() {
	m.log.Warn(fmt.Sprintf("draining did not end within %v (workers.stop_timeout): what is left is cut off", m.spec.Workers.StopTimeout))
	m.http.Cut()
	m.pool.Stop()
	m.pool.Abort()
	m.deadline.Do = m.finish
	m.loop.Set(&m.deadline, 2*time.Second)
}

// onChange wakes those who wait for a change of state.
func (m *master) onChange() {
	if !m.accepting && !m.draining {
		if s, _ := m.pool.State(); s == control.StateReady || s == control.StateIdle {
			m.tryAccept()
		}
	}
	m.followProcesses()
	m.rest.changed()
	for _, ch := range m.waiters {
		close(ch)
	}
	m.waiters = nil
	if d := m.digest(m.pool.Running()); d != m.record.SpecDigest {
		m.saveRecord()
	}
}

// tryAccept begins to take requests once there is somebody to serve them. Until
// it can, the master is not ready, whatever its workers are.
func (m *master) tryAccept() {
	if m.again.IsSet() {
		return // it was tried a moment ago
	}
	err := m.accept()
	if m.deaf = ""; err == nil {
		return
	}
	m.deaf = err.Error()
	m.log.Error(m.deaf + fmt.Sprintf("; the next try is in %v", deafRest))
	m.again.Do = m.pool.NotifyChanged
	m.loop.Set(&m.again, deafRest)
}

// deafRest is how long a master waits that could not open its sockets.
const deafRest = 2 * time.Second

// digest is Digest, remembered: a spec that a master has is never changed, another
// takes its place.
func (m *master) digest(spec *appspec.Spec) string {
	if m.digested != spec {
		m.digested, m.lastDigest = spec, appspec.Digest(spec)
	}
	return m.lastDigest
}

// status is the whole state.
func (m *master) status() control.Status {
	st := m.pool.Status()
	st.App, st.PID, st.Since = m.spec.Name, os.Getpid(), m.record.Since
	st.Program, st.Generation, st.SpecDigest = Version, m.record.Generation, m.record.SpecDigest
	st.WantDigest = m.digest(m.spec)
	st.RSS, st.Folder = appdir.ResidentSize(os.Getpid()), m.folder
	st.Resting = m.rest.now()
	if site := m.http.Site(); site != nil {
		st.Warnings = append(st.Warnings, site.Faults()...)
	}
	m.tellProcesses(&st)
	switch {
	case m.draining:
		st.State, st.Reason = control.StateStopping, "draining"
	case m.deaf != "":
		st.State, st.Reason, st.LastError = control.StateBackoff, m.deaf, m.deaf
	}
	return st
}

// openSpool takes hold of the folder for what is too large for memory, $TMPDIR
// or /var/tmp (/tmp is often memory itself), and returns a name for it that
// holds in a chroot too.
func openSpool() (string, error) {
	dirs := []string{os.Getenv("TMPDIR"), "/var/tmp", "/tmp"}
	var err error
	for _, d := range dirs {
		if d == "" {
			continue
		}
		var fd int
		if fd, err = unix.Open(d, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err == nil {
			return fmt.Sprintf("/proc/self/fd/%d/", fd), nil
		}
	}
	return "", fmt.Errorf("cannot open a folder for temporary files (%s): %w", strings.Join(dirs, " "), err)
}

// appDir is where an app's state lies.
func appDir(stateDir, app string) string { return filepath.Join(stateDir, "apps", app) }

// workerEnv is what of our environment the workers may see.
func workerEnv(environ []string) []string {
	var env []string
	path := false
	for _, kv := range environ {
		k, _, _ := strings.Cut(kv, "=")
		switch {
		case k == "PATH":
			path = true
			env = append(env, kv)
		case k == "LANG", k == "TZ", k == "LANGUAGE", strings.HasPrefix(k, "LC_"):
			env = append(env, kv)
		}
	}
	if !path {
		env = append(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	}
	return env
}
