package appdir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// oldestPython is the oldest minor version of CPython 3 that runs workers: the Python host
// is written for it.
const oldestPython = 8

// DefaultPython is the interpreter of a spec that names none; where it is
// missing, the first python3 of PATH is taken.
const DefaultPython = "/usr/bin/python3"

// ResolvePython finds the interpreter of an app: that of its virtualenv, else
// the spec's python, else the default one. It starts no process and reads no file:
// a version that the file's name tells is checked here, any other by
// PythonVersion. Errors name the spec's line and the next step.
func ResolvePython(spec *appspec.Spec) (string, error) {
	path, err := findPython(spec)
	if err != nil {
		return "", err
	}
	if v, ok := toldVersion(path); ok && !v.good() {
		return "", v.tooOld(path)
	}
	return path, nil
}

func findPython(spec *appspec.Spec) (string, error) {
	if spec.Virtualenv != "" {
		return virtualenvPython(spec)
	}
	if spec.Python != "" {
		if err := executable(spec.Python); err != nil {
			return "", fmt.Errorf("cannot use python %s of app %s%s: %w", spec.Python, spec.Name, place(spec, "python"),
				pythonStep(explainClosed(spec.Python, err)))
		}
		return spec.Python, nil
	}
	if executable(DefaultPython) == nil {
		return DefaultPython, nil
	}
	path, err := exec.LookPath("python3")
	if err != nil {
		return "", fmt.Errorf("cannot find a Python for app %s: there is no %s and no python3 in PATH; install Python 3.%d or newer (apt install python3), or write python = \"…\" into the spec",
			spec.Name, DefaultPython, oldestPython)
	}
	return filepath.Abs(path)
}

// deployed are the virtualenvs that deploys make, called after what goes into them.
var deployed = regexp.MustCompile(`^venvs/[0-9a-f]{32}$`)

func virtualenvPython(spec *appspec.Spec) (string, error) {
	dir := spec.Virtualenv
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(spec.Path, dir)
	}
	path := filepath.Join(dir, "bin", "python")
	err := executable(path)
	where := fmt.Sprintf("cannot use virtualenv %s of app %s%s", dir, spec.Name, place(spec, "virtualenv"))
	create, recreate := "create it: python3 -m venv "+dir, "recreate it: python3 -m venv --clear "+dir
	if r := spec.Release; r != nil && deployed.MatchString(spec.Virtualenv) {
		create = fmt.Sprintf("a deploy makes it anew, with its packages: wsgid-fleet deploy %s --commit %s", spec.Name, r.Commit)
		recreate = "remove it; " + create
	}
	if err == nil {
		// Python reads it before anything else, and would wait for a FIFO's other end.
		if fi, serr := os.Stat(filepath.Join(dir, "pyvenv.cfg")); serr == nil && !fi.Mode().IsRegular() {
			return "", fmt.Errorf("%s: its pyvenv.cfg %w; %s", where, notRegular(fi), recreate)
		}
		return path, nil
	}
	if _, derr := os.Stat(dir); errors.Is(derr, fs.ErrNotExist) {
		return "", fmt.Errorf("%s: it does not exist; %s", where, create)
	}
	if to, lerr := os.Readlink(path); lerr == nil && errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s: its bin/python leads to %s, which does not exist, as after an upgrade of Python; %s",
			where, to, recreate)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s: it has no bin/python; %s", where, recreate)
	}
	if errors.Is(err, fs.ErrPermission) {
		return "", fmt.Errorf("%s: %w", where, explainClosed(path, err))
	}
	return "", fmt.Errorf("%s: its bin/python %w", where, err)
}

var (
	errIsFolder      = errors.New("is a folder")
	errNotExecutable = errors.New("is not executable")
)

// explainClosed adds to an error of permission what keeps this process out.
func explainClosed(path string, err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	me := Owner{UID: os.Geteuid(), GID: os.Getegid(), Name: userName(os.Geteuid())}
	me.Groups, _ = os.Getgroups()
	if why := ClosedTo(path, me); why != "" {
		return fmt.Errorf("%w: %s", err, why)
	}
	return err
}

// notRegular says what stands there instead of a file.
func notRegular(fi fs.FileInfo) error {
	kind := "no file"
	if st, ok := sysStat(fi); ok {
		kind = kindOf(st.Mode)
	}
	return fmt.Errorf("is %s", kind)
}

// executable tells whether a file is there and may be executed by somebody.
func executable(path string) error {
	fi, err := os.Stat(path)
	var pe *fs.PathError
	switch {
	case errors.As(err, &pe):
		return pe.Err
	case err != nil:
		return err
	case fi.IsDir():
		return errIsFolder
	case fi.Mode().Perm()&0o111 == 0:
		return errNotExecutable
	}
	return nil
}

func pythonStep(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("it does not exist; install it, or name another one (python3 -c 'import sys; print(sys.executable)' prints one's path)")
	case errors.Is(err, errIsFolder):
		return fmt.Errorf("it is a folder; name the interpreter in it, such as bin/python3, or use virtualenv")
	case errors.Is(err, errNotExecutable):
		return fmt.Errorf("it is not executable; name the interpreter itself, or make it executable: chmod +x")
	}
	return err
}

// Version is that of an interpreter.
type Version struct{ Major, Minor int }

func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

func (v Version) good() bool { return v.Major == 3 && v.Minor >= oldestPython }

func (v Version) tooOld(path string) error {
	return fmt.Errorf("cannot use %s: it is Python %s, and workers need CPython 3.%d or newer; name a newer one with python or virtualenv",
		path, v, oldestPython)
}

// namedVersion matches the names that installations give: python3.11.
var namedVersion = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^python(\d+)\.(\d+)$`) })

// toldVersion reads an interpreter's version off its name behind the links,
// without starting it. What a virtualenv's pyvenv.cfg says is not asked: the file
// is the app's, which may have put anything there, and it is no proof of what runs.
func toldVersion(path string) (Version, bool) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return Version{}, false
	}
	if m := namedVersion().FindStringSubmatch(filepath.Base(target)); m != nil {
		return parseVersion(m[1] + "." + m[2])
	}
	return Version{}, false
}

func parseVersion(s string) (Version, bool) {
	parts := strings.SplitN(s, ".", 3)
	if len(parts) < 2 {
		return Version{}, false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return Version{Major: major, Minor: minor}, err1 == nil && err2 == nil
}

// askTimeout is how long an interpreter may take to tell its version.
const askTimeout = 10 * time.Second

// askVersion is what an interpreter is asked: it works on Python 2 as well, so
// that an old one can be named.
const askVersion = "import sys; sys.stdout.write('%s %d.%d' % (sys.implementation.name if hasattr(sys, 'implementation') else 'cpython', sys.version_info[0], sys.version_info[1]))"

type versionKey struct {
	path  string
	mtime int64
	size  int64
	inode uint64
}

type versionAnswer struct {
	version Version
	err     error
}

var versions struct {
	sync.Mutex
	known map[versionKey]versionAnswer
}

// PythonVersion asks an interpreter for its version, once as long as the file
// does not change. It runs as the app's user: a virtualenv's interpreter is the
// app's own code. The error tells one that is too old, no CPython, or no Python.
func PythonVersion(ctx context.Context, path string, owner Owner) (Version, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return Version{}, fmt.Errorf("cannot use python %s: %w", path, err)
	}
	key := versionKey{path: path, mtime: fi.ModTime().UnixNano(), size: fi.Size()}
	if st, ok := sysStat(fi); ok {
		key.inode = st.Ino
	}
	versions.Lock()
	answer, ok := versions.known[key]
	versions.Unlock()
	if ok {
		return answer.version, answer.err
	}
	answer.version, answer.err = askPython(ctx, path, owner)
	if ctx.Err() == nil { // what was cut off is no answer
		versions.Lock()
		if versions.known == nil {
			versions.known = map[versionKey]versionAnswer{}
		}
		versions.known[key] = answer
		versions.Unlock()
	}
	return answer.version, answer.err
}

func askPython(ctx context.Context, path string, owner Owner) (Version, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-E", "-s", "-S", "-c", askVersion)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C"}
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = owner.Credential()
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if ctx.Err() != nil {
			return Version{}, fmt.Errorf("cannot use python %s: it did not report its version within %s", path, askTimeout)
		}
		last := strings.TrimSpace(stderr.String())
		if i := strings.LastIndexByte(last, '\n'); i >= 0 {
			last = last[i+1:]
		}
		if last != "" {
			return Version{}, fmt.Errorf("cannot use python %s as user %s: %w: %s", path, owner.Name, err, last)
		}
		if errors.Is(err, fs.ErrPermission) {
			if why := ClosedTo(path, owner); why != "" {
				return Version{}, fmt.Errorf("cannot use python %s as user %s: %w: %s", path, owner.Name, err, why)
			}
		}
		return Version{}, fmt.Errorf("cannot use python %s as user %s: %w", path, owner.Name, err)
	}
	name, number, _ := strings.Cut(string(out), " ")
	v, ok := parseVersion(number)
	switch {
	case !ok:
		return Version{}, fmt.Errorf("cannot use python %s: it is not a Python interpreter: asked for its version, it wrote %q", path, truncate(out))
	case name != "cpython":
		return Version{}, fmt.Errorf("cannot use python %s: it is %s, and workers need CPython 3.%d or newer", path, name, oldestPython)
	case !v.good():
		return Version{}, v.tooOld(path)
	}
	return v, nil
}
