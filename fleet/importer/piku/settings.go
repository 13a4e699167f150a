package piku

import (
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// setting is a variable that an ENV file sets.
type setting struct {
	value  string
	secret bool // nobody's to see, whatever its name
	at     facts.Position
}

// settings are the variables of an app by their names.
type settings map[string]setting

// expands is a use of a variable, which piku looks for as a word, or in braces.
var expands = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$(?:(\w+)|\{([^}]*)\})`) })

// read takes the lines of a file: NAME=VALUE, without the blanks around both, quotes as they
// are, and the variables that are known by then put in. It ends at a line without =. base are
// the variables that piku sets itself.
func (s settings) read(path string, base map[string]string, secret bool) (fault *facts.Fact, err error) {
	text, err := facts.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	number := 0
	for line := range strings.SplitSeq(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n") {
		number++
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		at := facts.Position{File: path, Line: number}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return &facts.Fact{Was: facts.CommandText(line), At: at, Value: "it is no NAME=VALUE, and piku took no line of the file behind it: write into env what the app needs of them"}, nil
		}
		one := setting{secret: secret, at: at}
		one.value = expands().ReplaceAllStringFunc(strings.TrimSpace(value), func(use string) string {
			m := expands().FindStringSubmatch(use)
			other := m[1] + m[2]
			if known, ok := s[other]; ok {
				one.secret = one.secret || known.secret || facts.IsSecretName(other)
				return known.value
			}
			if known, ok := base[other]; ok {
				return known
			}
			return use
		})
		s[strings.TrimSpace(name)] = one
	}
	return nil, nil
}

// yes is a switch as piku reads it: of all else than these nothing is turned on.
func (s settings) yes(name string) bool {
	return slices.Contains([]string{"1", "on", "true", "enabled", "yes", "y"}, strings.ToLower(s[name].value))
}

// was is a setting as a file says it.
func (s settings) was(name string) string {
	if s[name].secret || facts.IsSecretName(name) {
		return name
	}
	return facts.CommandText(name + "=" + s[name].value)
}
