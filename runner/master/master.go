package master

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/boot"
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
	"github.com/wsgid-fleet/wsgid-fleet/runner/version"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// master is the process of one app: it owns the app's sockets and its pool.
// Its fields belong to the loop once run has been called.
type master struct {
	boot    boot.Message
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

	schedules *process.Schedules // what runs at times; nil: nothing has since the start
	processes *process.Set       // what runs beside the workers; nil: nothing has since the start

	m2      []*mongrel2Ingress
	tls     *tlsIngress // nil: no socket has tls
	crew    *static.Crew
	site    atomic.Pointer[static.Site] // for the goroutines of tls; nil: no static blocks
	filters atomic.Bool                 // the app has request filters: mongrel2 requests carry their message

	waiters     []chan struct{} // closed when the state changes
	accepting   bool
	draining    bool
	acceptError string       // why it does not accept, though its workers are ready
	again       evloop.Timer // the next try to
	deadline    evloop.Timer
	settle      evloop.Timer
	rest        rest
	ended       bool
	restoring   bool // the state directory is being made anew
	spawner     *pool.Spawner
}

func newMaster(msg boot.Message, files map[string]int) (*master, error) {
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	m := &master{boot: msg, spec: msg.Spec, dir: control.AppDir(msg.StateDir, msg.Spec.Name)}
	python, err := appdir.ResolvePython(m.spec)
	if err != nil {
		return nil, err
	}
	spool, err := openSpool()
	if err != nil {
		return nil, err
	}
	m.data = openData(msg)
	m.openGates()
	if err := m.openFolder(python); err != nil {
		return nil, err
	}
	m.openLog()
	if m.loop, err = evloop.New(); err != nil {
		return nil, err
	}
	m.makePool(python)
	m.makeIngress(spool)
	m.deadline.Do = m.onDeadline
	m.rest.init(m)
	if err := m.register(files); err != nil {
		return nil, err
	}
	m.markPID()
	m.loop.Tick()
	m.log.Info(fmt.Sprintf("master of %s starting: wsgid %s, generation %d, workers run as %s", m.spec.Name, version.Program, msg.Generation, msg.User.Name))
	m.pool.Start()
	return m, nil
}

// openFolder takes hold of the app folder, in the chroot where the spec wants one.
func (m *master) openFolder(python string) (err error) {
	folder := m.boot.Folder
	m.view = func(s *appspec.Spec) *appspec.Spec { return s }
	if m.spec.Chroot {
		if len(m.spec.Sockets.Mongrel2) > 0 {
			if err := lazyzmq.Load(); err != nil {
				return err
			}
		}
		applog.KeepJournal()
		if m.chroot, err = sandbox.NewChroot(m.spec, folder, python, m.dir, m.boot.HostDir); err != nil {
			return err
		}
		// The same folder, with what is mounted below it, which the descriptor of
		// the old root has lost.
		if folder, err = unix.Open(sandbox.AppFolder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
			return fmt.Errorf("cannot open app folder %s: %w", m.spec.Path, err)
		}
		m.view = sandbox.Inside
	}
	m.root = appdir.FromDescriptor(folder, m.spec.Path)
	var st unix.Stat_t
	if err := unix.Fstat(folder, &st); err == nil {
		m.folder = fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	}
	return nil
}

func (m *master) openLog() {
	uid, gid := -1, -1
	if user := m.boot.User; user.Change {
		uid, gid = user.UID, user.GID
	}
	stderr := applog.NoStderr
	if m.boot.Foreground || m.boot.Stderr {
		stderr = 2
	}
	m.log = applog.Open(applog.Places{Root: m.root, Apart: applog.Besides(m.data), Stderr: stderr}, m.spec, uid, gid, m.boot.Foreground)
	m.log.CatchCrashes()
	m.chroot.Follow(m.log)
}

// makePool makes the pool of workers, and what starts them.
func (m *master) makePool(python string) {
	m.pool = pool.New(m.loop, m.log, m.root, m.spec)
	m.recallServed()
	m.pool.Changed = m.onChange
	m.loop.Poll = func(sleep bool) bool {
		if sleep && m.http != nil {
			m.http.BeforeSleep()
		}
		return m.pool.PollRings(sleep)
	}
	m.log.OnStatus(func() { m.loop.Post(m.pool.NotifyChanged) })
	m.pool.Admitted = m.filters.Store
	m.pool.Emptied = m.onPoolEmpty
	m.pool.Configured = m.configureStatic
	sp := pool.NewSpawner(m.loop, m.log, m.boot.User, m.boot.Env, m.boot.HostDir, m.chroot.Workers())
	sp.NoRing = os.Getenv(boot.RingSwitch) == "0"
	m.spawner = sp
	m.pool.AskPython = func() error { return m.askPython(python) }
	m.pool.StartWith(sp, m.view)
	m.pool.Unforked = m.boot.Unforked
	if m.boot.Stem != nil {
		if err := sp.AdoptStem(m.pool, m.boot.StemSocket, m.boot.StemSocket+1, *m.boot.Stem); err != nil {
			m.pool.Unforked = err.Error()
			m.log.Info("workers are not forked: " + err.Error())
		}
	}
}

// askPython says why the interpreter cannot be what workers run with.
func (m *master) askPython(python string) (err error) {
	// It is the app's own code, and runs where the workers do.
	m.spawner.There(func() {
		if _, err = appdir.PythonVersion(context.Background(), python, m.boot.User.Owner); err != nil {
			return
		}
		// It cannot read what it is to run.
		if why := appdir.ClosedTo(filepath.Join(m.boot.HostDir, "wsgid"), m.boot.User.Owner); why != "" {
			err = fmt.Errorf("cannot start worker: %s, or choose another --state-dir", why)
		}
	})
	return err
}

// makeIngress makes what brings requests, but for its sockets.
func (m *master) makeIngress(spool string) {
	m.env = ingress.New(m.loop, m.pool, m.log, spool, m.spec)
	m.env.Pipes = os.Getenv(boot.PipesSwitch) != "off"
	m.http = httpserver.New(m.env)
	m.http.Emptied = m.checkDrained
	m.http.DialGate = m.dialGate
	m.pool.Crowded = m.http.MakeRoom
	m.http.ServeTLS = func(fd int, peer wsgi.Peer, p *gate.Passed) { m.https().adopt(fd, peer, p) }
	m.crew = newCrew(m.boot.User, m.log)
}

// register lets the master be found, and opens its sockets. One that cannot is not found.
func (m *master) register(files map[string]int) error {
	start, err := appdir.StartTime(os.Getpid())
	if err != nil {
		return err
	}
	m.record = control.Record{App: m.spec.Name, PID: os.Getpid(), StartTime: start, BootID: control.BootID(), Since: time.Now(),
		Program: version.Program, Generation: m.boot.Generation, SpecDigest: m.digest(m.spec), Path: m.spec.Path}
	if m.control, err = newControlServer(m, m.dir, m.loop, m.log); err != nil {
		return err
	}
	if err := m.record.Write(m.dir); err != nil {
		return err
	}
	err = m.openSockets(files)
	if err == nil && !m.boot.Standby {
		err = m.accept()
	}
	if err != nil {
		m.record.Remove(m.dir)
	}
	return err
}

func (m *master) markPID() {
	err := m.root.MarkPID(appdir.Master, os.Getpid())
	switch {
	case err == nil:
	case m.root.ReadOnly():
		m.log.Info("not writing pid files: the app folder is on a read-only file system")
	default:
		m.log.Warn(err.Error())
	}
}

// openSockets takes over the listening sockets that came with the boot.
func (m *master) openSockets(files map[string]int) error {
	for i := range m.spec.Sockets.HTTP {
		s := &m.spec.Sockets.HTTP[i]
		fd, ok := files[s.Listen]
		if !ok {
			return fmt.Errorf("cannot listen on %s: its socket was not passed on", s.Listen)
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
		m.tls = newTLSIngress(m.env, m.chroot.Open, m.http)
		m.http.CloseIdle = m.tls.server.ShedIdle
		m.loop.Busy = func() bool { return m.tls.server.Connections() > 0 }
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

// run serves until the master has drained.
func (m *master) run(signals []chan os.Signal) error {
	hearSignals(m.loop, signals, m.onSignal)
	go m.control.serve()
	time.AfterFunc(boot.TrimAfter, boot.TrimMemory)
	err := m.loop.Run()
	m.pool.EndStem()
	if !m.http.HasSuccessor() {
		if n := pool.EndStrays(); n > 0 {
			m.log.Warn(fmt.Sprintf("terminated %d processes that the app had started in sessions of their own", n))
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
