package checkout

import (
	"fmt"
	"os"
	"path"
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
	for _, name := range []string{"requirements.txt", "uv.lock", "poetry.lock", "Pipfile", "pyproject.toml", "setup.py"} {
		if !l.isFile(name) {
			continue
		}
		l.note("%s says what the app needs, and there is no virtualenv: the packages have to be those of the machine, or make one: %s; then write: virtualenv = \".venv\"", name, makes(name, l.found.Path))
		return
	}
}

// makes is how a virtualenv is made of what says what the app needs.
func makes(name, folder string) string {
	switch name {
	case "uv.lock":
		return "cd " + folder + " && uv sync --frozen --no-dev"
	case "poetry.lock":
		return "cd " + folder + " && POETRY_VIRTUALENVS_IN_PROJECT=1 poetry install --without dev"
	case "Pipfile":
		return "cd " + folder + " && PIPENV_VENV_IN_PROJECT=1 pipenv install"
	case "requirements.txt":
		return fmt.Sprintf("python3 -m venv %s/.venv && %s/.venv/bin/pip install -r %s/requirements.txt", folder, folder, folder)
	}
	return fmt.Sprintf("python3 -m venv %s/.venv && %s/.venv/bin/pip install %s", folder, folder, folder)
}

func isVirtualenv(dir string) bool {
	fi, err := os.Stat(filepath.Join(dir, "pyvenv.cfg"))
	return err == nil && fi.Mode().IsRegular()
}

// left notes what else was seen.
func (l *looker) left() {
	if l.isFile(".env") {
		l.note(".env is not read: where the app does not read it itself, write: env_file = [%q]", path.Join(l.found.Path, ".env"))
	}
	if l.isFile("gunicorn.conf.py") {
		l.note("gunicorn.conf.py was not read, as it is a program: see what it says by: wsgid-fleet import %s", path.Join(l.found.Path, "gunicorn.conf.py"))
	}
	for line := range strings.SplitSeq(l.text("Procfile"), "\n") {
		if name, _, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && name != "web" && name != "" && !strings.HasPrefix(name, "#") {
			l.note("Procfile has a process %s, which is not run here: the block for it is printed by: wsgid-fleet import %s", name, path.Join(l.found.Path, "Procfile"))
		}
	}
}
