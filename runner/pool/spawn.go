package pool

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
	"github.com/wsgid-fleet/wsgid-fleet/runner/version"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// Spawner starts worker processes on a thread of its own: a worker is told to
// die with the thread that forked it, so that thread must live as long as the
// master; and what it may not gain (privileges) is set on that thread alone.
type Spawner struct {
	loop    *evloop.Loop
	log     *applog.Log
	owner   sandbox.User
	baseEnv []string
	hostDir string              // where the Python host lies
	space   *sandbox.Namespaces // nil: workers live where the master does

	// The threads, each begun by its first job: what a process may gain is a
	// property of the thread that forks it, and cannot be given back.
	bound, free func() *jobQueue

	mayLimit bool // else workers set their limits themselves
	mayRaise bool // else no worker stands back while it starts: it would for ever
	NoRing   bool // no answers come by shared memory
}

type spawnJob struct {
	w      *worker
	spare  *spare        // instead of all that: it is to be a worker later on
	spec   *appspec.Spec // as the worker sees it
	python string        // found by the spawner's thread: its file is the app's, and so its disk
	dir    string
	env    []string
	files  []uintptr
	limits appspec.Limits
	nice   int      // by how much it stands back until it is ready
	close  []int    // descriptors to close once the process runs
	output *os.File // our end of its output
	init   []byte   // the configuration of a worker that is forked from the stem

	theirEnd int // for a worker that is forked from a template, see worker.ourEnd

	program func(entered error) // instead of all that: starts a program there

	run  func()        // instead of all that: runs where workers are started
	done chan struct{} // closed after it
}

// There runs f where workers are started, and waits for it. In a chroot that is the
// spawner's thread; elsewhere it is anywhere.
func (s *Spawner) There(f func()) {
	if s.space == nil {
		f()
		return
	}
	done := make(chan struct{})
	s.bound().add(spawnJob{run: f, done: done})
	<-done
}

// NewSpawner starts the thread of a spawner; space is nil where workers live where the
// master does.
func NewSpawner(l *evloop.Loop, log *applog.Log, owner sandbox.User, baseEnv []string, hostDir string, space *sandbox.Namespaces) *Spawner {
	s := &Spawner{loop: l, log: log, owner: owner, baseEnv: baseEnv, hostDir: hostDir, space: space,
		mayLimit: sandbox.MayLimit(owner), mayRaise: sandbox.MayRaise()}
	s.bound, s.free = s.thread(true), s.thread(false)
	return s
}

// thread is where jobs are given to a thread of the spawner, which begins with the
// first.
func (s *Spawner) thread(bound bool) func() *jobQueue {
	return sync.OnceValue(func() *jobQueue {
		jobs := newJobQueue()
		go sandbox.OnOwnThread(func() { s.run(jobs, bound) })
		return jobs
	})
}

// jobs is the thread for the workers of a spec.
func (s *Spawner) jobs(spec *appspec.Spec) *jobQueue {
	if spec.NoNewPrivileges || s.space != nil {
		// In a chroot always: its user has a hand in the files that set-user-ID
		// programs trust there.
		return s.bound()
	}
	return s.free()
}

// spawn makes the worker's link and has its process started, or forked from
// the template of its generation. It runs on the loop; the result comes back as
// pool.workerStarted.
func (s *Spawner) spawn(w *worker, spec *appspec.Spec) { s.start(w, spec, false) }

func (s *Spawner) start(w *worker, spec *appspec.Spec, template bool) {
	forked := spec.Workers.Preload && !template && w.pool.shares[w.gen] == ""
	env := s.environ(spec)
	w.stemmed = w.pool.stem.fits(w.pool, spec, env) && !forked && !template
	job, err := s.prepare(w, spec, env, template, forked)
	switch {
	case err != nil:
		evloop.CloseAll(job.close)
		if job.output != nil {
			_ = job.output.Close()
		}
		w.pool.loop.Post(func() { w.pool.workerStarted(w, 0, -1, fmt.Errorf("cannot start worker: %w", err)) })
	case forked:
		s.fromTemplate(job, spec)
	case w.stemmed:
		w.pool.stem.fork(job)
	default:
		s.jobs(spec).add(job)
	}
}

// prepare opens what a worker gets, and tells what it is told. Where it fails, what was opened
// is in job.close and job.output, and in the worker.
func (s *Spawner) prepare(w *worker, spec *appspec.Spec, env []string, template, forked bool) (job spawnJob, err error) {
	job = spawnJob{w: w, spec: spec, dir: workingDirectory(spec), limits: spec.Limits, env: env}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return job, fmt.Errorf("cannot make a pipe: %w", err)
	}
	// Non-blocking, so that following it takes a goroutine and no thread.
	_ = unix.SetNonblock(pipe[0], true)
	job.output = os.NewFile(uintptr(pipe[0]), "output")
	job.close = append(job.close, pipe[1])
	null, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return job, fmt.Errorf("cannot open %s: %w", os.DevNull, err)
	}
	job.close = append(job.close, null)
	shared, err := unix.MemfdCreate("wsgid-shared", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return job, fmt.Errorf("cannot make the shared memory: %w", err)
	}
	job.close = append(job.close, shared)
	if err := w.share(shared); err != nil {
		return job, err
	}
	job.files = []uintptr{uintptr(null), uintptr(pipe[1]), uintptr(pipe[1]), uintptr(shared)}
	threads := max(1, spec.Workers.Threads)
	if template {
		threads = 1
	}
	for i := range threads {
		slot, err := newSlot(w, i)
		if err != nil {
			return job, err
		}
		w.slots = append(w.slots, slot)
		job.files = append(job.files, uintptr(slot.theirs))
	}
	if s.ring() && !template {
		w.slots[0].ring = newRing(w.shared)
	}
	if forked {
		// The rest of its configuration it inherits, but not to die with us: the
		// kernel keeps that for the template, its parent.
		var death [2]int
		if err := unix.Pipe2(death[:], unix.O_CLOEXEC); err != nil {
			return job, fmt.Errorf("cannot make a pipe: %w", err)
		}
		w.ourEnd, job.theirEnd = death[0], death[1]
		job.close = append(job.close, job.theirEnd)
		return job, nil
	}
	if w.yields && s.mayRaise {
		job.nice = spec.Workers.StartNice
	}
	config := s.config(spec, template)
	if w.stemmed {
		config.Start = &wsgi.Start{Python: w.pool.stem.of.Python, Directory: job.dir, Environ: job.env, Bound: spec.NoNewPrivileges, Master: os.Getpid()}
		job.init = wsgi.AppendInit(nil, &config)
		return job, nil
	}
	init := wsgi.AppendInit(nil, &config)
	if _, errno := evloop.Send(w.slots[0].fd, init); errno != 0 {
		return job, fmt.Errorf("cannot send the configuration: %w", errno)
	}
	return job, nil
}

// config is what a worker or template is told that is not forked.
func (s *Spawner) config(spec *appspec.Spec, template bool) wsgi.Config {
	dirs := make([]string, len(spec.LoaderDirs))
	for i, d := range spec.LoaderDirs {
		if dirs[i] = d; !filepath.IsAbs(d) {
			dirs[i] = filepath.Join(spec.Path, d)
		}
	}
	var masks []string
	if spec.Debug {
		masks = s.log.Secrets().Texts()
	}
	return wsgi.Config{
		App: spec.Name, AppPath: spec.Path, Release: spec.CodeDir(), Loader: spec.Loader, WSGIApp: appOfRelease(spec),
		LoaderDirs: dirs, Middleware: spec.Middleware,
		Django: spec.Loader == "django", DjangoSettings: djangoSettings(spec),
		Threads: spec.Workers.Threads,
		Debug:   spec.Debug, Masks: masks, Preload: template, Ring: s.ring(), Version: version.Program, Umask: spec.Umask,
		Limits: s.ownLimits(spec.Limits),
	}
}

// appOfRelease is the application; one in a file of app/ is that of the release, where app
// leads only when that has been rolled out.
func appOfRelease(spec *appspec.Spec) string {
	rest, ok := strings.CutPrefix(spec.WSGIApp, filepath.Join(spec.Path, "app")+"/")
	if release := spec.Release.CodeDir(); ok && release != "" {
		return filepath.Join(spec.Path, release, rest)
	}
	return spec.WSGIApp
}

// workingDirectory is that of the workers.
func workingDirectory(spec *appspec.Spec) string {
	dir := spec.WorkingDirectory
	if filepath.IsAbs(dir) {
		return dir
	}
	release := spec.Release.CodeDir()
	if rest, ok := strings.CutPrefix(filepath.Clean(dir), "app"); ok && dir != "" && release != "" && (rest == "" || rest[0] == '/') {
		dir = release + rest
	}
	return filepath.Join(spec.Path, dir)
}

func djangoSettings(spec *appspec.Spec) string {
	if spec.Django == nil {
		return ""
	}
	return spec.Django.Settings
}

// environ is a worker's environment: nothing of the daemon's but the locale and
// the time zone, then the spec's.
func (s *Spawner) environ(spec *appspec.Spec) []string {
	set := map[string]string{}
	for _, kv := range s.baseEnv {
		k, v, _ := strings.Cut(kv, "=")
		set[k] = v
	}
	set["HOME"], set["USER"], set["LOGNAME"] = s.owner.Home, s.owner.Name, s.owner.Name
	if spec.Virtualenv != "" {
		venv := spec.Virtualenv
		if !filepath.IsAbs(venv) {
			venv = filepath.Join(spec.Path, venv)
		}
		set["VIRTUAL_ENV"] = venv
		set["PATH"] = filepath.Join(venv, "bin") + ":" + set["PATH"]
	}
	maps.Copy(set, spec.Environ())
	env := make([]string, 0, len(set))
	for k, v := range set {
		env = append(env, k+"="+v)
	}
	sort.Strings(env)
	return env
}

// ownLimits are those that a worker has to set itself.
func (s *Spawner) ownLimits(l appspec.Limits) wsgi.Limits {
	if s.mayLimit {
		return wsgi.Limits{}
	}
	return wsgi.Limits{OpenFiles: l.OpenFiles, Processes: l.Processes, AddressSpace: uint64(l.AddressSpace)}
}

// run is a thread of the spawner; bound: what it forks may gain no privileges.
func (s *Spawner) run(jobs *jobQueue, bound bool) {
	if bound {
		// Best effort: a kernel without it is older than any we run on.
		_ = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	}
	for {
		job := jobs.next()
		if job.program != nil {
			var err error
			if s.space != nil {
				err = s.space.Enter()
			}
			job.program(err)
			continue
		}
		if job.run != nil {
			if s.space == nil || s.space.Enter() == nil {
				job.run()
			}
			close(job.done)
			continue
		}
		pid, pidfd := 0, -1
		var lowered sandbox.Lowered
		var err error
		if job.python, err = appdir.ResolvePython(job.spec); err == nil {
			if pid, pidfd, err = s.fork(job); err != nil {
				err = s.refused(job, err)
			} else {
				lowered = sandbox.Lower(pid, job.nice)
			}
		}
		evloop.CloseAll(job.close)
		if err != nil {
			_ = job.output.Close()
			err = fmt.Errorf("cannot start worker: %w", err)
		} else {
			job.w.follow(job.output, pid)
		}
		w := job.w
		s.loop.Post(func() {
			w.lowered = lowered
			w.pool.workerStarted(w, pid, pidfd, err)
		})
	}
}

// refused says why a worker's process could not be started. It runs where the
// process would have.
func (s *Spawner) refused(job spawnJob, err error) error {
	why := ""
	if errors.Is(err, unix.EACCES) {
		if why = appdir.ClosedTo(job.dir, s.owner.Owner); why == "" {
			why = appdir.ClosedTo(job.python, s.owner.Owner)
		}
	}
	switch {
	case why != "":
		why = ": " + why
	case job.spec.WorkingDirectory != "" && (errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)):
		why = ": does that folder exist? It is the working_directory of the spec"
	}
	return fmt.Errorf("cannot run %s as %s in %s: %w%s", job.python, s.owner.Name, job.dir, err, why)
}

func (s *Spawner) fork(job spawnJob) (pid, pidfd int, err error) {
	pidfd = -1
	attr := &syscall.ProcAttr{Dir: job.dir, Env: job.env, Files: job.files,
		Sys: &syscall.SysProcAttr{Setpgid: true, PidFD: &pidfd}}
	if s.space == nil {
		attr.Sys.Pdeathsig = syscall.SIGKILL
	} else if err := s.space.Enter(); err != nil {
		// There a worker dies with its namespace, and that with us. (A death signal
		// of its own cannot be asked for: its parent has no number there.)
		return 0, -1, err
	}
	if s.owner.Change {
		attr.Sys.Credential = s.owner.Credential()
	}
	args := []string{job.python, "-u", filepath.Join(s.hostDir, "wsgid_worker.py"), job.spec.Name}
	pid, err = syscall.ForkExec(job.python, args, attr)
	if err != nil {
		return 0, -1, err
	}
	if s.mayLimit {
		sandbox.SetLimits(pid, job.limits, s.log)
	}
	return pid, pidfd, nil
}

// closePassed closes a descriptor that came with a message and is not wanted.
func closePassed(fd int) {
	if fd >= 0 {
		_ = unix.Close(fd)
	}
}

func newFile(fd int) *os.File { return os.NewFile(uintptr(fd), "response") }

func (s *Spawner) ring() bool { return hasRing && !s.NoRing }
