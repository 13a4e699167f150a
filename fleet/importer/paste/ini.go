package paste

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// file is an ini file, as Python's ConfigParser reads it for PasteDeploy.
type file struct {
	path     string
	sections map[string]map[string]facts.Setting
	given    map[string]string // NAME=VALUE of the command line
}

func read(path string) (*file, error) {
	text, err := facts.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &file{path: path, sections: map[string]map[string]facts.Setting{}}
	section, key, number := "", "", 0
	for line := range strings.SplitSeq(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n") {
		number++
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';':
		case (line[0] == ' ' || line[0] == '\t') && key != "":
			s := f.sections[section][key]
			s.List[0] += "\n" + trimmed
			f.sections[section][key] = s
		case trimmed[0] == '[' && strings.HasSuffix(trimmed, "]"):
			section, key = trimmed[1:len(trimmed)-1], ""
			if f.sections[section] == nil {
				f.sections[section] = map[string]facts.Setting{}
			}
		default:
			i := strings.IndexAny(trimmed, "=:")
			if i < 0 || section == "" {
				return nil, fmt.Errorf("line %d: it is no KEY = VALUE of a section, and PasteDeploy does not read it", number)
			}
			key = strings.TrimSpace(trimmed[:i])
			value := strings.TrimSpace(trimmed[i+1:])
			f.sections[section][key] = facts.Setting{List: []string{value}, Was: key + " = " + value, At: facts.Position{File: path, Line: number}}
		}
	}
	return f, nil
}

// section is what a section sets, its placeholders filled; nil: there is none.
func (f *file) section(name string) (map[string]facts.Setting, error) {
	own, ok := f.sections[name]
	if !ok {
		return nil, nil
	}
	all := map[string]facts.Setting{}
	for key, s := range own {
		if strings.HasPrefix(key, "set ") || strings.HasPrefix(key, "get ") { // of variables, not of the server
			continue
		}
		value, err := f.filled(s.Value(), own, 0)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", s.At.Line, err)
		}
		s.List = []string{value}
		all[key] = s
	}
	return all, nil
}

var placeholder = regexp.MustCompile(`%(%|\(([^)]*)\)s|.|$)`)

func (f *file) filled(text string, own map[string]facts.Setting, depth int) (string, error) {
	var bad error
	out := placeholder.ReplaceAllStringFunc(text, func(m string) string {
		if m == "%%" {
			return "%"
		}
		name := strings.TrimSuffix(strings.TrimPrefix(m, "%("), ")s")
		value, ok := f.given[name]
		for _, s := range []map[string]facts.Setting{own, f.sections["DEFAULT"]} {
			if v, set := s[name]; set && !ok {
				value, ok = v.Value(), true
			}
		}
		switch {
		case ok && depth < 10:
			filled, err := f.filled(value, own, depth+1)
			bad = cmp.Or(bad, err)
			return filled
		case name == "here":
			return filepath.Dir(f.path)
		case name == "__file__":
			return f.path
		}
		bad = cmp.Or(bad, fmt.Errorf("%s is not set, and PasteDeploy does not read the file", m))
		return ""
	})
	return out, bad
}
