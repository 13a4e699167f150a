package pool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// Program is a program that is started where the workers are, and as they are: by
// whom, in which folder, with which environment, limits and rights.
type Program struct {
	Spec    *appspec.Spec // as the workers see it
	Command []string
	Env     []string // over that of the workers
	Name    string   // for the log
	Words   *LastWords
}

// Start starts a program as the leader of a session of its own, which dies with the
// master. It runs on the loop, and so does done, which is called later.
func (s *Spawner) Start(p Program, done func(pid, pidfd int, err error)) {
	s.jobs(p.Spec).add(spawnJob{program: func(entered error) {
		pid, pidfd, err := 0, -1, entered
		if err == nil {
			pid, pidfd, err = s.startProgram(p)
		}
		if err != nil {
			err = fmt.Errorf("cannot start %s: %w", p.Name, err)
		}
		s.loop.Post(func() { done(pid, pidfd, err) })
	}})
}

// startProgram runs on a thread of the spawner.
func (s *Spawner) startProgram(p Program) (pid, pidfd int, err error) {
	pidfd = -1
	dir := workingDirectory(p.Spec)
	env := s.programEnviron(p)
	argv := commandIn(p.Spec, dir, p.Command)
	path, err := s.lookProgram(p.Spec, argv[0], dir, env)
	if err != nil {
		return 0, -1, err
	}
	shown := path
	if !strings.Contains(argv[0], "/") {
		argv[0] = path // by its first argument Python finds what it belongs to
	}
	if l := s.ownLimits(p.Spec.Limits); p.Spec.Umask != masterUmask || l != (wsgi.Limits{}) {
		python, err := appdir.ResolvePython(p.Spec)
		if err != nil {
			return 0, -1, err
		}
		argv = append([]string{python, "-I", "-S", "-c", become, fmt.Sprintf("%o", p.Spec.Umask),
			strconv.FormatUint(l.OpenFiles, 10), strconv.FormatUint(l.Processes, 10), strconv.FormatUint(l.AddressSpace, 10), path}, argv...)
		path = python
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return 0, -1, fmt.Errorf("cannot make a pipe: %w", err)
	}
	// Non-blocking, so that following it takes a goroutine and no thread.
	_ = unix.SetNonblock(pipe[0], true)
	output := os.NewFile(uintptr(pipe[0]), "output")
	defer evloop.CloseAll([]int{pipe[1]})
	null, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		_ = output.Close()
		return 0, -1, fmt.Errorf("cannot open %s: %w", os.DevNull, err)
	}
	defer evloop.CloseAll([]int{null})
	attr := &syscall.ProcAttr{Dir: dir, Env: env, Files: []uintptr{uintptr(null), uintptr(pipe[1]), uintptr(pipe[1])},
		Sys: &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd}}
	if s.space == nil {
		attr.Sys.Pdeathsig = syscall.SIGKILL // in a chroot: see Spawner.fork
	}
	if s.owner.Change {
		attr.Sys.Credential = s.owner.Credential()
	}
	if pid, err = syscall.ForkExec(path, argv, attr); err != nil {
		_ = output.Close()
		return 0, -1, s.programRefused(shown, dir, err)
	}
	if s.mayLimit {
		sandbox.SetLimits(pid, p.Spec.Limits, s.log)
	}
	p.Words.follow(s.loop, output, func() string { return s.log.FollowNamed(output, pid, p.Name) })
	return pid, pidfd, nil
}

// masterUmask is that of the master, which its children have: see boot.SetUmask.
const masterUmask = 0o022

// become is how a program gets what nobody else can set for it: the umask, and the
// limits where the master may not: no more than the service has, as of a worker
// (wsgid/limits.py). It has the place of its command after that, with an
// environment that Python has not touched.
const become = `import os, resource as r, sys
a = sys.argv
env = dict(os.environb)
with open("/proc/self/environ", "rb") as f:
    if not any(v.startswith(b"LC_CTYPE=") for v in f.read().split(b"\0")):
        env.pop(b"LC_CTYPE", None)
os.umask(int(a[1], 8))
for name, what, n in zip(("open_files", "processes", "address_space"), (r.RLIMIT_NOFILE, r.RLIMIT_NPROC, r.RLIMIT_AS), map(int, a[2:5])):
    hard = r.getrlimit(what)[1]
    if hard != r.RLIM_INFINITY and n > hard:
        sys.stderr.write("cannot set limits.%s to %d: the service's own limit is %d\n" % (name, n, hard))
        n = hard
    if n:
        r.setrlimit(what, (n, n))
try:
    os.execve(a[5], a[6:], env)
except OSError as e:
    sys.exit("cannot run %s: %s" % (a[5], e.strerror))
`

// programEnviron is the environment of the workers, with what they import from on
// PYTHONPATH, which a worker has without it.
func (s *Spawner) programEnviron(p Program) []string {
	env := s.environ(p.Spec)
	code := codeFolder(p.Spec)
	if !slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "PYTHONUNBUFFERED=") }) {
		env = append(env, "PYTHONUNBUFFERED=1") // a line of output is in the log when it is written, as a worker's is
	}
	for i, kv := range env {
		if paths, ok := strings.CutPrefix(kv, "PYTHONPATH="); ok {
			env[i], code = "PYTHONPATH="+code+":"+paths, ""
		}
	}
	if code != "" {
		env = append(env, "PYTHONPATH="+code)
	}
	return append(env, p.Env...)
}

// commandIn is a command as it is run in dir: what it names in app is that of the release,
// where app leads only when that has been rolled out.
func commandIn(spec *appspec.Spec, dir string, command []string) []string {
	argv := slices.Clone(command)
	release := spec.Release.CodeDir()
	if release == "" || dir != filepath.Clean(spec.Path) {
		return argv
	}
	for i, word := range argv {
		rest, ok := strings.CutPrefix(word, "app/")
		if !ok {
			continue
		}
		var st unix.Stat_t
		if path := filepath.Join(release, rest); unix.Stat(filepath.Join(dir, path), &st) == nil {
			argv[i] = path
		}
	}
	return argv
}

// codeFolder is the folder that the workers import the app from.
func codeFolder(spec *appspec.Spec) string {
	dir := spec.CodeDir()
	if dir == "" {
		var st unix.Stat_t
		if dir = "app"; unix.Stat(filepath.Join(spec.Path, dir), &st) != nil {
			dir = "." // a checkout
		}
	}
	return filepath.Join(spec.Path, dir)
}

// lookProgram finds the file of a command's first word, as the shell does, but that
// python is the interpreter of the app.
func (s *Spawner) lookProgram(spec *appspec.Spec, word, dir string, env []string) (string, error) {
	if word == "python" || word == "python3" {
		return appdir.ResolvePython(spec)
	}
	if strings.Contains(word, "/") {
		if !filepath.IsAbs(word) {
			word = filepath.Join(dir, word)
		}
		return word, nil
	}
	paths := ""
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			paths = v
		}
	}
	for _, folder := range filepath.SplitList(paths) {
		if folder == "" {
			folder = "."
		}
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(dir, folder)
		}
		file := filepath.Join(folder, word)
		var st unix.Stat_t
		if unix.Stat(file, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Mode&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("no program %s in %s: install it, or give its path", word, paths)
}

// programRefused says why the program could not be started.
func (s *Spawner) programRefused(path, dir string, err error) error {
	why := ""
	if errors.Is(err, unix.EACCES) {
		if why = appdir.ClosedTo(dir, s.owner.Owner); why == "" {
			why = appdir.ClosedTo(path, s.owner.Owner)
		}
	}
	switch {
	case why != "":
		why = ": " + why
	case errors.Is(err, unix.ENOENT):
		why = ": does it exist, and the interpreter named in its first line, and the folder?"
	case errors.Is(err, unix.ENOEXEC):
		why = ": its first line does not name an interpreter, such as #!/bin/sh"
	}
	return fmt.Errorf("cannot run %s as %s in %s: %w%s", path, s.owner.Name, dir, err, why)
}

// ChildStarts tells, with ChildStarted and ChildEnded, of processes that others than the
// pool start and wait for; pid 0: it was not started.
func (p *Pool) ChildStarts() { p.reaper.asked++ }

// ChildStarted see ChildStarts.
func (p *Pool) ChildStarted(pid int) {
	p.reaper.asked--
	if pid > 0 {
		p.reaper.own[pid] = true
	}
}

// ChildEnded see ChildStarts. It was reaped.
func (p *Pool) ChildEnded(pid int) { delete(p.reaper.own, pid) }

// OwnChild tells whether a child of the master is a worker, a template, or one of
// those that others have told of.
func (p *Pool) OwnChild(pid int) bool { return p.reaper.own[pid] }

// Serves tells whether the app is up by the spec that it runs: a worker serves, or
// none is wanted before somebody asks.
func (p *Pool) Serves() bool { return !p.stopping && (p.countServing() > 0 || p.target() == 0) }

// RunningGeneration counts the sets of workers: another number, other code.
func (p *Pool) RunningGeneration() int { return p.gen }
