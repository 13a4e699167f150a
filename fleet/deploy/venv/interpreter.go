package venv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
)

// Interpreter is what a Python says of itself. A file that names its version, such
// as pyvenv.cfg, may be wrong.
type Interpreter struct {
	Path    string `json:"path"` // the real one, of no virtualenv
	Version string `json:"version"`
	ABI     string `json:"abi"`
	Machine string `json:"machine"`
	Libc    string `json:"libc"`
	Pip     string `json:"pip"` // its version; empty where there is none
}

const probe = `
import json, os, platform, sys, sysconfig
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION")
except (AttributeError, ValueError, OSError):
    libc = "-".join(platform.libc_ver())
try:
    import pip
    pip = pip.__version__
except Exception:
    pip = ""
print(json.dumps(dict(path=os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable), version=sys.version,
    abi=sysconfig.get_config_var("SOABI") or "", machine=platform.machine(), libc=libc or "", pip=pip)))
`

// ask runs an interpreter as the account, without what is not its own.
func ask(ctx context.Context, a *child.Account, python string) (Interpreter, error) {
	var out bytes.Buffer
	c := &child.Command{Account: a, Args: []string{python, "-I", "-c", probe}, Stdout: &out}
	if err := c.Run(ctx); err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return Interpreter{}, fmt.Errorf("there is no %s on this machine: %w", python, err)
		}
		return Interpreter{}, fmt.Errorf("cannot run %s: %w", python, err)
	}
	var i Interpreter
	if err := json.Unmarshal(out.Bytes(), &i); err != nil || i.Path == "" {
		return Interpreter{}, fmt.Errorf("%s is no Python: it answers %q", python, child.Printable(out.String()[:min(out.Len(), 200)]))
	}
	return i, nil
}

// systemPython has the pip for interpreters that have none.
const systemPython = "/usr/bin/python3"

// choosePip finds the pip to install with: of the interpreter, else of the
// system. It must know --python, which came with 22.3.
func choosePip(own Interpreter, system func() (Interpreter, error)) (python, version string, err error) {
	if knowsPython(own.Pip) {
		return own.Path, own.Pip, nil
	}
	if s, err := system(); err == nil && knowsPython(s.Pip) {
		return s.Path, s.Pip, nil
	}
	if own.Pip != "" {
		return "", "", fmt.Errorf("pip %s of %s is too old (22.3 or newer is needed)", own.Pip, own.Path)
	}
	return "", "", fmt.Errorf("%s has no pip, nor has %s: install the package python3-pip", own.Path, systemPython)
}

func knowsPython(version string) bool {
	var major, minor int
	_, _ = fmt.Sscanf(version, "%d.%d", &major, &minor)
	return major > 22 || major == 22 && minor >= 3
}
