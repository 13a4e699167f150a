package venv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
)

// Interpreter is what a Python says of itself. A file that names its version, such
// as pyvenv.cfg, may be wrong.
type Interpreter struct {
	Path    string // the real one, of no virtualenv
	Version string
	ABI     string
	Machine string
	Libc    string
	Pip     string // its version; empty where there is none

	from []string // the files and folders that say all of that
}

// probe imports little: it runs beside what serves. Of pip only the version is read. Behind
// the answer it tells from what it knows it: the program, the libraries of which it is
// made, the folders in which a module is looked for, and pip.
const probe = `
import importlib.machinery, os, sys
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION")
except (AttributeError, ValueError, OSError):
    import platform
    libc = "-".join(platform.libc_ver())
pip = origin = ""
try:
    found = importlib.machinery.PathFinder.find_spec("pip")
    origin = found.origin or ""  # a folder without __init__.py has none
    with open(origin, encoding="utf-8") as f:
        for line in f:
            if line.startswith("__version__ = "):
                pip = line.split("=", 1)[1].strip().strip("'\"")
                break
        else:
            import pip as module
            pip = module.__version__
except Exception:
    pass
abi = importlib.machinery.EXTENSION_SUFFIXES[0]
abi = abi[1:-3] if abi.endswith(".so") else abi
base = os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)
sources = {base, origin, *sys.path}
try:
    with open("/proc/self/maps", "rb") as f:
        sources.update(os.fsdecode(line.split(None, 5)[5].rstrip(b"\n")) for line in f if b" /" in line)
except OSError:
    sources = ()
answer = "\0".join([base, sys.version, abi, os.uname().machine, libc or "", pip, *sorted(sources)])
sys.stdout.buffer.write(answer.encode("utf-8", "surrogateescape"))
`

// answersWithin is how long an interpreter may take to answer: a cold disk and a busy
// machine included. A variable for tests.
var answersWithin = time.Minute

// longestAnswer is the most that an interpreter may answer, in bytes: one with a thousand
// folders of modules stays below a tenth of it.
const longestAnswer = 1 << 20

// answerBuffer refuses what goes beyond longestAnswer, which ends who writes it.
type answerBuffer struct {
	text bytes.Buffer // not embedded: its ReadFrom takes all there is
	full bool
}

func (b *answerBuffer) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > longestAnswer {
		b.full = true
		return 0, fmt.Errorf("more than %d bytes", longestAnswer)
	}
	return b.text.Write(p)
}

// ask runs an interpreter as the account, without what is not its own.
func ask(ctx context.Context, a *child.Account, python string) (Interpreter, error) {
	var out answerBuffer
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	c := &child.Command{Account: a, Args: []string{python, "-I", "-c", probe}, Stdout: &out}
	if err := c.Run(ctx); out.full {
		return Interpreter{}, fmt.Errorf("%s is not a Python: it answers more than %d bytes", python, longestAnswer)
	} else if err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return Interpreter{}, fmt.Errorf("there is no %s on this machine: %w", python, err)
		}
		return Interpreter{}, fmt.Errorf("cannot run %s: %w", python, err)
	}
	f := strings.Split(out.text.String(), "\x00")
	if len(f) < 6 || f[0] == "" {
		return Interpreter{}, fmt.Errorf("%s is not a Python: it answers %q", python, child.Printable(out.text.String()[:min(out.text.Len(), 200)]))
	}
	return Interpreter{Path: f[0], Version: f[1], ABI: f[2], Machine: f[3], Libc: f[4], Pip: f[5], from: f[6:]}, nil
}

// systemPython has the pip for interpreters that have none.
const systemPython = "/usr/bin/python3"

// choosePip finds the pip to install with: of the interpreter, else of the
// system. It must know --python, which came with 22.3, by which it runs in the interpreter.
func choosePip(own Interpreter, system func() (Interpreter, error)) (python, version string, err error) {
	if knowsPython(own.Pip) && runsIn(own.Pip, own.Version) {
		return own.Path, own.Pip, nil
	}
	s, err := system()
	switch has := err == nil && knowsPython(s.Pip); {
	case has && runsIn(s.Pip, own.Version):
		return s.Path, s.Pip, nil
	case has:
		release, _, _ := strings.Cut(own.Version, " ")
		return "", "", fmt.Errorf("%s has no pip, and pip %s of %s does not run in Python %s, for which 23.1.2 is the oldest: run %s -m ensurepip", own.Path, s.Pip, s.Path, release, own.Path)
	case own.Pip != "":
		return "", "", fmt.Errorf("pip %s of %s is too old (22.3 or newer is needed)", own.Pip, own.Path)
	}
	return "", "", fmt.Errorf("%s has no pip, nor has %s: install the package python3-pip", own.Path, systemPython)
}

func knowsPython(pip string) bool { return !older(pip, 22, 3, 0) }

// runsIn tells whether a pip runs in a Python: until 23.1.2 it looks for a part of the library
// that 3.12 has no more, and ends with a traceback (23.0.1 of Debian 12 in 3.12.1 and 3.13.0).
func runsIn(pip, python string) bool { return older(python, 3, 12, 0) || !older(pip, 23, 1, 2) }

// older tells whether a version is below another one; no version is.
func older(version string, than ...int) bool {
	var has [3]int
	_, _ = fmt.Sscanf(version, "%d.%d.%d", &has[0], &has[1], &has[2])
	return slices.Compare(has[:], than) < 0
}
