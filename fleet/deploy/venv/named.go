package venv

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// setting is an option that pip is given by a variable or by its configuration, one value
// of it.
type setting struct {
	option string // as constraint
	value  string
	from   string // what gives it
}

// settings are the options of variables and of a configuration of pip that name files, or
// whither it installs.
func settings(env []string, config []byte) []setting {
	var all []setting
	add := func(option, values, from string) {
		switch option {
		case "constraint", "build-constraint", "requirement", "find-links", "editable", "target", "prefix", "root", "dry-run":
			for value := range strings.FieldsSeq(values) {
				all = append(all, setting{option, value, from})
			}
		}
	}
	normal := strings.NewReplacer("_", "-")
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		if option, ok := strings.CutPrefix(name, "PIP_"); ok {
			add(normal.Replace(strings.ToLower(option)), value, name)
		}
	}
	option := ""
	for line := range strings.Lines(string(config)) {
		switch text := strings.TrimSpace(line); {
		case text == "" || text[0] == '#' || text[0] == ';':
		case line[0] == ' ' || line[0] == '\t': // the value goes on
			add(option, text, "PIP_CONFIG_FILE")
		default:
			option = ""
			if i := strings.IndexAny(text, "=:"); i > 0 {
				option = normal.Replace(strings.ToLower(strings.TrimSpace(text[:i])))
				add(option, text[i+1:], "PIP_CONFIG_FILE")
			}
		}
	}
	return all
}

// named adds what pip reads besides the requirements: a constraint that PIP_CONSTRAINT names
// binds the building of archives too, which -c does not (pip 23.0.1;
// findings/pip-constraint-binds-a-build-by-its-variable.sh), so people set it for that. It
// returns the folders of archives.
func (r *requirements) named(tree *os.Root, all []setting) (folders []string, err error) {
	for _, s := range all {
		local, isFile := strings.CutPrefix(s.value, "file://")
		switch {
		case s.option == "dry-run" && slices.Contains([]string{"0", "n", "no", "f", "false", "off"}, strings.ToLower(s.value)):
		case slices.Contains([]string{"target", "prefix", "root", "dry-run"}, s.option):
			// It would end as if all were well.
			return nil, fmt.Errorf("%s of the deploy block (%s = %s) has pip install nothing into the virtualenv; remove it", s.from, s.option, s.value)
		case s.option == "editable":
			r.own = s.from + " names " + s.value
		case s.option == "find-links" && (isFile || !strings.Contains(s.value, "://")):
			if !path.IsAbs(local) {
				local = filepath.Join(tree.Name(), local)
			}
			folders = append(folders, local)
		case s.option == "find-links": // what an index has is not looked at, either
		case strings.Contains(s.value, "://"):
			r.own = s.from + " names " + s.value
		case path.IsAbs(s.value):
			err = r.readOutside(s)
		default:
			err = r.read(tree, s.value, s.from)
		}
		if err != nil {
			return nil, err
		}
	}
	return folders, nil
}

// outside is a file that the operator names for pip.
func outside(path string) ([]byte, error) {
	return readRegular(os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0))
}

// readOutside reads a file that the operator names, and that is none of the release's.
func (r *requirements) readOutside(s setting) error {
	text, err := outside(s.value)
	if err != nil {
		return fmt.Errorf("cannot read what %s of the deploy block names: %w", s.from, err)
	}
	r.files[s.value] = text
	r.order = append(r.order, s.value)
	for _, l := range lines(string(text)) {
		if classify(l).kind != plain { // not shown: the path may lead anywhere
			r.own = s.value + " names other files"
		}
	}
	return nil
}
