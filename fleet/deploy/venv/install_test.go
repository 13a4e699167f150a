package venv

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// buildTools brings what pip builds a project with into the folder of wheels: there is
// no index here.
func (s *site) buildTools() {
	s.t.Helper()
	for _, name := range []string{"setuptools", "wheel"} {
		found, _ := filepath.Glob("/usr/share/python-wheels/" + name + "-*.whl")
		if len(found) == 0 {
			s.t.Fatalf("there is no wheel of %s: install python3-%s-whl", name, name)
		}
		b, err := os.ReadFile(found[0])
		if err == nil {
			err = os.WriteFile(filepath.Join(s.wheels, filepath.Base(found[0])), b, 0o644)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *site) install(in Inputs) Virtualenv {
	s.t.Helper()
	v := s.build(in)
	if err := s.store.Install(s.ctx(), v); err != nil {
		s.t.Fatal(err)
	}
	return v
}

// The project is installed without what it depends on, and without the modules that a
// build of long ago has left in build/.
func TestInstall(t *testing.T) {
	s := newSite(t)
	s.buildTools()
	write(t, s.tree, map[string]string{
		"setup.py":         "from setuptools import setup\nsetup(name='proj', version='1', packages=['proj'], install_requires=['not-there'])\n",
		"proj/__init__.py": "V = 1\n",
	})
	write(t, s.tree, map[string]string{"build/lib/proj/deleted.py": "V = 0\n", "build/lib/proj/__init__.py": "V = 0\n"})
	s.give()
	in := s.inputs()
	in.Requirements, in.Install = nil, true
	one := s.install(in)
	if one.Own == "" {
		t.Error("a virtualenv with a project in it is for all releases")
	}
	if got := s.run(one, "import proj, pkgutil; print(proj.V, [m.name for m in pkgutil.iter_modules(proj.__path__)], proj.__file__.startswith("+quote(one.Path)+"))"); got != "1 [] True" {
		t.Errorf("installed: %s", got)
	}
	if left, _ := filepath.Glob(filepath.Join(s.tree, "build/bdist*")); len(left) > 0 {
		t.Errorf("built in the release: %v", left)
	}
	// The next release has another virtualenv: what serves imports from this one.
	in.Release = "2"
	if two := s.find(in); two.Name == one.Name || two.Ready {
		t.Errorf("the second release would be installed into %+v", two)
	}
}

func quote(s string) string { return "'" + s + "'" }

// Of a project that cannot be built it is said what pip said.
func TestInstallFails(t *testing.T) {
	s := newSite(t)
	in := s.inputs()
	write(t, s.tree, map[string]string{"pyproject.toml": "[build-system]\nrequires = ['setuptools', 'wheel']\n", "requirements.txt": ""})
	s.give()
	in.Install = true
	v := s.build(in)
	if err := s.store.Install(s.ctx(), v); err == nil || !strings.HasPrefix(err.Error(), "cannot install the project: ") || !strings.Contains(err.Error(), "No matching distribution found for setuptools") {
		t.Errorf("%v", err)
	}
}

// A project whose version git knows has none in a release, and does not take that of a
// repository around it.
func TestInstallWithoutAVersion(t *testing.T) {
	for says, variable := range map[string]string{
		"LookupError: setuptools-scm was unable to detect version for /x.":                            "SETUPTOOLS_SCM_PRETEND_VERSION",
		"Exception: Versioning for this project requires either an sdist tarball, or access to a git": "PBR_VERSION",
	} {
		s := newSite(t)
		in := s.inputs()
		write(t, s.tree, map[string]string{"requirements.txt": "", "pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n",
			"backend.py": "import os\nassert os.environ['GIT_CEILING_DIRECTORIES'] == '" + filepath.Dir(s.tree) + "'\nraise SystemExit(" + strconv.Quote(says) + ")\n"})
		s.give()
		in.Install = true
		err := s.store.Install(s.ctx(), s.build(in))
		if want := "cannot install the project: it takes its version from a tag of git, and a release has no .git: write it into env of the deploy block: env = { " + variable + " = \"1.0\" }\n"; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v", err)
		}
	}
}

// give makes the tree the account's, as a release is.
func (s *site) give() {
	s.t.Helper()
	if a := s.store.Account; a != nil {
		err := filepath.WalkDir(s.tree, func(path string, _ os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Chown(path, a.UID, a.GID)
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// In a requirements file --find-links begins where the file is, and ./FILE where pip
// runs, which is the release. Configurations of the machine are not read, one that the
// spec names is.
func TestRequirementsBeginWherePipSays(t *testing.T) {
	s := newSite(t)
	s.wheel("near", "1.0")
	s.wheel("top", "1.0")
	for name, to := range map[string]string{"near": "requirements/links", "top": "."} {
		file := name + "-1.0-py3-none-any.whl"
		if err := os.MkdirAll(filepath.Join(s.tree, to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(s.wheels, file), filepath.Join(s.tree, to, file)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, s.tree, map[string]string{"requirements/all.txt": "--find-links links\nnear==1.0\n./top-1.0-py3-none-any.whl\n"})
	in := s.inputs()
	in.Requirements = []string{"requirements/all.txt"}
	v := s.build(in)
	if got := s.run(v, "import near, top; print(near.V, top.V)"); got != "1.0 1.0" {
		t.Error(got)
	}
	if v.Own == "" {
		t.Error("a virtualenv of a file in the release is for all releases")
	}
	in.Release = "2"
	if again := s.find(in); again.Ready {
		t.Error("and another release takes it")
	}

	// Nothing but a configuration that the spec names brings near from elsewhere.
	links := filepath.Join(filepath.Dir(s.tree), "links")
	write(t, links, map[string]string{"pip.conf": "[global]\nfind-links = " + links + "\n"})
	s.wheel("far", "1.0")
	if err := os.Rename(filepath.Join(s.wheels, "far-1.0-py3-none-any.whl"), filepath.Join(links, "far-1.0-py3-none-any.whl")); err != nil {
		t.Fatal(err)
	}
	write(t, s.tree, map[string]string{"requirements.txt": "far\n"})
	in = s.inputs()
	if err := s.store.Build(s.ctx(), s.find(in)); err == nil || !strings.Contains(err.Error(), "No matching distribution found for far") {
		t.Errorf("without the configuration: %v", err)
	}
	in.Env = []string{"PIP_CONFIG_FILE=" + filepath.Join(links, "pip.conf")}
	if got := s.run(s.build(in), "import far; print(far.V)"); got != "1.0" {
		t.Error(got)
	}
	if v := s.find(in); !v.Ready {
		t.Error("an equal configuration makes another virtualenv")
	}
	write(t, links, map[string]string{"pip.conf": "[global]\nno-index = false\nfind-links = " + links + "\n"})
	if v := s.find(in); v.Ready {
		t.Error("a virtualenv of another configuration is taken")
	}
	if err := os.Remove(filepath.Join(links, "pip.conf")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.Find(s.ctx(), in); err == nil || !strings.Contains(err.Error(), "cannot read PIP_CONFIG_FILE of the deploy block, "+links+"/pip.conf: ") {
		t.Errorf("without the file: %v", err)
	}
}
