package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// pythonTrees is the folders outside the app folder and the system's own that an
// interpreter lives on. What the spec names is seen inside because the operator
// says so. What a virtualenv names as the Python it was made from, by the links in
// its bin or by its pyvenv.cfg, is the word of whoever may write there, which can
// be the app: it is seen only if it is an installation of Python of root's own
// that everybody can read anyway.
func pythonTrees(spec *appspec.Spec, python string) ([]string, error) {
	named := filepath.Dir(filepath.Dir(python))
	var trees []string
	add := func(folder string) {
		if !slices.Contains(trees, folder) && !slices.ContainsFunc(trees, func(t string) bool { return below(t, folder) }) {
			trees = append(trees, folder)
		}
	}
	seen := func(path string) bool { return seenInside(spec, path) }
	if !seen(python) {
		add(named)
	}
	told := toldPythons(python)
	if spec.Virtualenv != "" && spec.Python != "" {
		// python beside virtualenv says where the virtualenv's Python is.
		for _, exe := range append([]string{spec.Python}, links(spec.Python)...) {
			if !seen(exe) {
				add(filepath.Dir(filepath.Dir(exe)))
			}
		}
	}
	for _, exe := range told {
		prefix := filepath.Dir(filepath.Dir(exe))
		if seen(exe) || slices.ContainsFunc(trees, func(t string) bool { return below(t, exe) }) {
			continue
		}
		if err := isInstallation(prefix); err != nil {
			return nil, fmt.Errorf("cannot chroot to %s: the interpreter %s leads to %s, which must not be visible inside: %w; if it is right, name it in the spec: python = %q",
				spec.Path, python, prefix, err, exe)
		}
		add(prefix)
	}
	return trees, nil
}

// seenInside tells whether a path of the host is seen in the chroot in any case.
func seenInside(spec *appspec.Spec, path string) bool {
	if below(spec.Path, path) {
		return true
	}
	for _, f := range systemFolders {
		if below(f, path) {
			return true
		}
	}
	return false
}

// links is where the links of an interpreter end.
func links(exe string) []string {
	if target, err := filepath.EvalSymlinks(exe); err == nil && target != exe {
		return []string{target}
	}
	return nil
}

// maxVenvConfig is what is read of a pyvenv.cfg, which holds a few lines.
const maxVenvConfig = 64 << 10

// toldPythons is the interpreters that an interpreter's links and its virtualenv
// name.
func toldPythons(python string) []string {
	told := links(python)
	name := filepath.Join(filepath.Dir(filepath.Dir(python)), "pyvenv.cfg")
	conf, err := appdir.ReadOutside(name, maxVenvConfig)
	if err != nil {
		return told
	}
	for line := range strings.Lines(string(conf)) {
		k, v, _ := strings.Cut(line, "=")
		if strings.TrimSpace(k) != "home" {
			continue
		}
		if home := strings.TrimSpace(v); filepath.IsAbs(home) {
			exe := filepath.Join(filepath.Clean(home), "python3")
			told = append(append(told, exe), links(exe)...)
		}
	}
	return told
}

// isInstallation proves that a folder is an installation of Python which nobody
// but root can change, and everybody can read.
func isInstallation(prefix string) error {
	if prefix == "/" {
		return errors.New("it is the root of the whole system")
	}
	dir, fixed, err := appdir.Folder("installation of Python", prefix)
	if err != nil {
		return err
	}
	defer dir.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return err
	}
	if !fixed || !roots(&st) {
		return errors.New("users other than root can change it")
	}
	// The way to it is root's alone, so that its names hold.
	resolved, err := filepath.EvalSymlinks(prefix)
	if err != nil {
		return err
	}
	for p := resolved; p != "/"; p = filepath.Dir(p) {
		if st, err := os.Stat(p); err != nil || st.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("not everybody may enter %s", p)
		}
	}
	libs, err := filepath.Glob(filepath.Join(resolved, "lib*", "python3*", "os.py"))
	if err != nil || len(libs) == 0 {
		return errors.New("it is not an installation of Python")
	}
	for _, lib := range libs {
		for _, p := range []string{lib, filepath.Dir(lib)} {
			var st unix.Stat_t
			if err := unix.Stat(p, &st); err != nil || !roots(&st) {
				return fmt.Errorf("users other than root can change %s", p)
			}
		}
	}
	return nil
}
