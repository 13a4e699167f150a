package hclspec

import (
	"io/fs"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// pythonProblems looks whether the interpreter of an app that is to run is
// there. It is asked anew in each load: nothing in a spec file tells that a
// virtualenv was made or lost.
func pythonProblems(fsys afero.Fs, s *appspec.Spec, whole hcl.Range) hcl.Diagnostics {
	c := &checker{spec: s, whole: whole}
	c.python(fsys)
	return c.diags
}

func (c *checker) python(fsys afero.Fs) {
	s := c.spec
	if !s.Enabled {
		return
	}
	if s.Virtualenv != "" {
		dir := s.Virtualenv
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(s.Path, dir)
		}
		for _, name := range []string{"bin/python3", "bin/python"} {
			if info, err := fsys.Stat(filepath.Join(dir, name)); err == nil && !info.IsDir() {
				return
			}
		}
		link := linkOfPython(fsys, filepath.Join(dir, "bin"))
		dir = s.Shown("virtualenv", dir)
		if link != "" {
			c.fault("virtualenv", "there is no Python in the virtualenv "+dir+": its bin/"+link+" leads to one that does not exist, as after an upgrade of Python",
				"recreate it, and install its packages again: python3 -m venv --clear "+dir)
			return
		}
		c.fault("virtualenv", "there is no Python in the virtualenv "+dir+": it has neither bin/python3 nor bin/python", "make it with: python3 -m venv "+dir)
		return
	}
	if s.Python != "" {
		shown := s.Shown("python", s.Python)
		switch info, err := fsys.Stat(s.Python); {
		case err != nil:
			c.fault("python", "cannot use python "+shown+": "+reason(fsys, s.Python, err).Error(), "write the path of an interpreter, CPython 3.8 or newer, such as \"/usr/bin/python3\"")
		case info.IsDir():
			c.fault("python", "cannot use python "+shown+": it is a directory", "write the path of the interpreter; for a virtualenv write: virtualenv = "+appspec.Quote(shown))
		}
	}
}

// linkOfPython is the name of a Python that is there and leads nowhere; empty: there is none.
func linkOfPython(fsys afero.Fs, bin string) string {
	entries, err := afero.ReadDir(fsys, bin)
	if err != nil {
		return ""
	}
	for _, e := range entries {
		if e.Mode().Type() == fs.ModeSymlink && (e.Name() == "python" || e.Name() == "python3") {
			return e.Name()
		}
	}
	return ""
}
