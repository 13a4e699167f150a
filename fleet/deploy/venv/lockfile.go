package venv

import (
	"os"
	"path"
)

// exports are the files of other tools that say what a project needs, and how a requirements
// file is made of each; nearest to pip first.
var exports = []struct{ name, make string }{
	{"uv.lock", "uv export --frozen --no-dev --no-emit-project -o requirements.txt"},
	{"poetry.lock", "poetry export -o requirements.txt"},
	{"Pipfile.lock", "pipenv requirements > requirements.txt"},
	{"Pipfile", "pipenv lock && pipenv requirements > requirements.txt"},
	{"pyproject.toml", "a file with the line . installs the project with what it needs"},
	{"setup.py", "a file with the line . installs the project with what it needs"},
}

// instead is what to do where one of these stands in the place of a requirements file;
// empty: it is none of them.
func instead(name string) string {
	for _, e := range exports {
		if path.Base(name) == e.name {
			return e.make
		}
	}
	return ""
}

// exported is what to do where a requirements file is not there and one of these is; empty:
// none is.
func exported(tree *os.Root, folder string) string {
	for _, e := range exports {
		if fi, err := tree.Lstat(path.Join(folder, e.name)); err == nil && fi.Mode().IsRegular() {
			return "; commit one that is made of " + e.name + ": " + e.make
		}
	}
	return ""
}
