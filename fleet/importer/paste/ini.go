package paste

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// file is an ini file, as Python's ConfigParser reads it for PasteDeploy.
type file struct {
	path     string
	sections map[string]map[string]facts.Setting
	defaults map[string]string // what each section may ask for: [DEFAULT], and below it what was given beside the file
}

const forAll = "DEFAULT"

// read is a file; given are variables of who loads it. What [DEFAULT] has counts before those
// (PasteDeploy 3.0.1; findings/pastedeploy-a-given-variable-has-two-values.sh).
func read(path string, given map[string]string) (*file, error) {
	text, err := facts.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &file{path: path, sections: map[string]map[string]facts.Setting{}, defaults: map[string]string{}}
	if err := f.parse(string(text)); err != nil {
		return nil, err
	}
	maps.Copy(f.defaults, given)
	f.defaults["here"], f.defaults["__file__"] = filepath.Dir(path), path
	for name, s := range f.sections[forAll] {
		f.defaults[name] = s.Value()
	}
	return f, nil
}

func (f *file) parse(text string) error {
	section, key, indented := "", "", 0
	for i, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		fault := func(why string) error {
			return fmt.Errorf("line %d: %s, and PasteDeploy does not read it", i+1, why)
		}
		trimmed := strings.TrimSpace(line)
		indent := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsSpace(r) })
		switch {
		case trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';':
			continue
		case key != "" && indent > indented: // further in than the key is: more of its value
			f.sections[section][key].List[0] += "\n" + trimmed
			continue
		}
		indented = indent
		if end := strings.LastIndexByte(trimmed, ']'); trimmed[0] == '[' && end > 1 { // whatever stands behind it
			section, key = trimmed[1:end], ""
			if f.sections[section] != nil && section != forAll {
				return fault("the section [" + section + "] stands there twice")
			}
			if f.sections[section] == nil {
				f.sections[section] = map[string]facts.Setting{}
			}
			continue
		}
		at := strings.IndexAny(trimmed, "=:")
		if at <= 0 || section == "" {
			return fault("it is no KEY = VALUE of a section")
		}
		key = strings.TrimSpace(trimmed[:at])
		if _, twice := f.sections[section][key]; twice {
			return fault(key + " stands there twice")
		}
		value := strings.TrimSpace(trimmed[at+1:])
		f.sections[section][key] = facts.Setting{List: []string{value}, Was: key + " = " + value, At: facts.Position{File: f.path, Line: i + 1}}
	}
	return nil
}

var placeholder = regexp.MustCompile(`%(%|\(([^)]+)\)s|.|$)`)

// filled is a value of a section with its placeholders filled.
func (f *file) filled(text string, own map[string]facts.Setting, depth int) (string, error) {
	var bad error
	out := placeholder.ReplaceAllStringFunc(text, func(m string) string {
		if m == "%%" {
			return "%"
		}
		name, isName := strings.CutSuffix(strings.TrimPrefix(m, "%("), ")s")
		value, ok := f.defaults[name]
		if s, set := own[name]; set {
			value, ok = s.Value(), true
		}
		if !isName || !ok || depth > 10 {
			bad = cmp.Or(bad, fmt.Errorf("%s is not set, and PasteDeploy does not read the file", m))
			return ""
		}
		filled, err := f.filled(value, own, depth+1)
		bad = cmp.Or(bad, err)
		return filled
	})
	return out, bad
}
