package venv

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
)

// Inputs are what a virtualenv is made from.
type Inputs struct {
	Python       string   // a path, or a name in PATH; empty: python3
	Tree         *os.Root // the release's code: requirements are in it, and ./pkg means it
	Requirements []string // paths in Tree
	Wheels       string   // a folder: nothing else is installed from
	Index        string   // empty: pip's default
	Env          []string // for pip; what is PIP_… counts in the hash
	Install      bool     // the project in Tree is installed into it, which makes it the release's own
	Release      string   // for a virtualenv that is the release's own

	config []byte // the text of pip's configuration; nil: none
}

// Store is the folder of an app's virtualenvs. Whoever opens it has proved that the
// way there is not of the account's making.
type Store struct {
	Root    *os.Root // opened by its absolute path
	Account *child.Account
	Known   *Interpreters // who were asked already; may be nil
	Time    time.Duration // for one Build; 0 is 15 minutes
}

// Virtualenv is one that Find has named.
type Virtualenv struct {
	Name  string // the hash
	Path  string
	Ready bool   // complete; Build has nothing to do
	Own   string // why no other release can share it; empty if they can
	// Dropped is what pip passes over in the requirements without a word, by its file.
	Dropped []string
	Python  Interpreter

	pip    string // the interpreter that pip runs with; empty where nothing is to be installed
	inputs Inputs
}

// In is the same with its tree opened anew.
func (v Virtualenv) In(tree *os.Root) Virtualenv {
	v.inputs.Tree = tree
	return v
}

// marker is the file that says that a virtualenv is complete.
const marker = ".wsgid-complete"

// Find reads the inputs and finds out whether what they make is there.
func (s *Store) Find(ctx context.Context, in Inputs) (Virtualenv, error) {
	v, err := s.find(ctx, in)
	if err != nil {
		return Virtualenv{}, fmt.Errorf("cannot prepare the virtualenv: %w", err)
	}
	return v, nil
}

func (s *Store) find(ctx context.Context, in Inputs) (Virtualenv, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	files, err := readRequirements(in.Tree, in.Requirements)
	if err != nil {
		return Virtualenv{}, err
	}
	var wheels []string
	if in.Wheels != "" {
		if wheels, err = listing(in.Wheels); err != nil {
			switch {
			case errors.Is(err, os.ErrNotExist):
				return Virtualenv{}, fmt.Errorf("wheels %s is not there; create it, and put the wheels into it: pip wheel -r requirements.txt -w %s", in.Wheels, in.Wheels)
			case errors.Is(err, syscall.ENOTDIR):
				return Virtualenv{}, fmt.Errorf("wheels %s is not a folder", in.Wheels)
			}
			if !errors.Is(err, os.ErrPermission) {
				return Virtualenv{}, fmt.Errorf("cannot list wheels: %w", err)
			}
		}
		if why, instead := s.Account.Barred(in.Wheels, true, "chmod -R a+rX "+in.Wheels); why != "" {
			return Virtualenv{}, fmt.Errorf("wheels %s cannot be read by %s, the user that pip runs as: %s: %s", in.Wheels, s.Account, why, instead)
		} else if err != nil {
			return Virtualenv{}, fmt.Errorf("cannot list wheels: %w", err)
		}
	}
	if in.config, err = pipConfig(in.Env); err != nil {
		return Virtualenv{}, err
	}
	folders, err := files.named(in.Tree, settings(in.Env, in.config))
	if err != nil {
		return Virtualenv{}, err
	}
	for _, folder := range folders {
		more, _ := listing(folder) // pip looks by, and tells, what is not there
		wheels = append(wheels, more...)
	}
	if in.Install {
		files.own = cmp.Or(files.own, "the project is installed into it")
	}
	v := Virtualenv{inputs: in, Own: files.own, Dropped: files.dropped}
	if v.Python, err = s.Known.ask(ctx, s.Account, cmp.Or(in.Python, "python3")); err != nil {
		return Virtualenv{}, err
	}
	version := ""
	if len(files.order) > 0 || in.Install {
		v.pip, version, err = choosePip(v.Python, func() (Interpreter, error) { return s.Known.ask(ctx, s.Account, systemPython) })
		if err != nil {
			return Virtualenv{}, err
		}
	}
	v.Name = name(s.Root.Name(), in, v.Python, version, files, wheels)
	v.Path = filepath.Join(s.Root.Name(), v.Name)
	v.Ready = complete(s.Root, v.Name)
	return v, nil
}

// pipConfig is the text of the configuration that the spec names for pip; nil: none.
func pipConfig(env []string) ([]byte, error) {
	var file string
	for _, e := range env {
		if rest, ok := strings.CutPrefix(e, "PIP_CONFIG_FILE="); ok {
			file = rest
		}
	}
	if file == "" || file == os.DevNull {
		return nil, nil
	}
	text, err := outside(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read PIP_CONFIG_FILE of the deploy block, %s: %w", file, err)
	}
	return text, nil
}

// name is the hash over all that decides; dir is the folder of the virtualenvs: of one
// that was moved there the scripts begin with the path of before. Each part says how
// long it is, so that none can pass for two.
func name(dir string, in Inputs, py Interpreter, pip string, files requirements, wheels []string) string {
	h := sha256.New()
	put(h, "2", dir, py.Path, py.Version, py.ABI, py.Machine, py.Libc, pip, in.Index, in.Wheels)
	put(h, "requirements", strconv.Itoa(len(in.Requirements)))
	put(h, in.Requirements...)
	for _, f := range files.order {
		put(h, f, string(files.files[f]))
	}
	put(h, "wheels")
	put(h, wheels...)
	env := slices.Clone(in.Env)
	slices.Sort(env)
	for _, e := range env {
		if strings.HasPrefix(e, "PIP_") {
			put(h, "env", e)
		}
	}
	if in.config != nil {
		put(h, "pip's configuration", string(in.config))
	}
	if files.own != "" {
		put(h, "release", in.Release)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func put(h hash.Hash, parts ...string) {
	for _, p := range parts {
		_, _ = io.WriteString(h, strconv.Itoa(len(p))+":"+p)
	}
}

// complete tells whether a virtualenv of the name is there, and whole.
func complete(root *os.Root, name string) bool {
	f, err := root.OpenFile(filepath.Join(name, marker), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, 100))
	return string(b) == name+"\n"
}

// Sweep removes the virtualenvs that keep does not name, and those that are not
// complete.
func (s *Store) Sweep(keep ...string) error {
	entries, err := fs.ReadDir(s.Root.FS(), ".")
	if err != nil {
		return err
	}
	var failed []error
	for _, e := range entries {
		if b, err := hex.DecodeString(e.Name()); err != nil || len(b) != 16 {
			continue // not ours
		}
		if !slices.Contains(keep, e.Name()) || !complete(s.Root, e.Name()) {
			failed = append(failed, s.Root.RemoveAll(e.Name()))
		}
	}
	return errors.Join(failed...)
}
