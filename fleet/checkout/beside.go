package checkout

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// virtualenv finds one in the checkout or beside it.
func (l *looker) virtualenv() {
	parent, base := filepath.Split(l.found.Path)
	var all []string
	for _, name := range []string{".venv", "venv", "env", ".env", "virtualenv"} {
		if l.isFile(name + "/pyvenv.cfg") {
			all = append(all, name)
		}
	}
	for _, name := range []string{".venv", "venv", "env", base + "-venv", base + "-env", "venv-" + base, base + ".venv", "venvs/" + base, "virtualenvs/" + base} {
		dir := filepath.Join(parent, name)
		if isVirtualenv(dir) && dir != l.found.Path {
			all = append(all, dir)
		}
	}
	if len(all) > 0 {
		why := "a virtualenv in the checkout"
		if filepath.IsAbs(all[0]) {
			why = "a virtualenv beside the checkout"
		}
		l.found.Virtualenv = Choice{all[0], why}
		if len(all) > 1 {
			l.note("there are other virtualenvs: %s", strings.Join(all[1:], ", "))
		}
		return
	}
	for _, name := range []string{"requirements.txt", "pyproject.toml", "Pipfile", "setup.py"} {
		if !l.isFile(name) {
			continue
		}
		install := fmt.Sprintf("%s/.venv/bin/pip install %s", l.found.Path, l.found.Path)
		if name == "requirements.txt" {
			install = fmt.Sprintf("%s/.venv/bin/pip install -r %s/requirements.txt", l.found.Path, l.found.Path)
		}
		l.note("%s says what the app needs, and there is no virtualenv: the packages have to be those of the machine, or make one: python3 -m venv %s/.venv && %s; then write: virtualenv = \".venv\"",
			name, l.found.Path, install)
		return
	}
}

func isVirtualenv(dir string) bool {
	fi, err := os.Stat(filepath.Join(dir, "pyvenv.cfg"))
	return err == nil && fi.Mode().IsRegular()
}

// left notes what else was seen.
func (l *looker) left() {
	if l.isFile(".env") {
		l.note(".env is not read: copy what the app needs from it into env")
	}
	if l.isFile("gunicorn.conf.py") {
		l.note("gunicorn.conf.py was not read: it is a program")
	}
	for line := range strings.SplitSeq(l.text("Procfile"), "\n") {
		if name, _, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && name != "web" && name != "" && !strings.HasPrefix(name, "#") {
			l.note("Procfile has a process %s, which is not run here", name)
		}
	}
}
