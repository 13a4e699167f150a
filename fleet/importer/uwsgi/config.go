package uwsgi

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// option is one option of a uWSGI instance, as its files give it.
type option struct {
	key, value string
	was        string // as another program's file says it, which gave it; empty: as it is
	done       bool   // taken already: placeholders are not looked for in it
	at         facts.Position
}

// config is the configuration of one uWSGI instance on its way: files are read
// in order, options that act at once act, and at the end placeholders are filled.
// (uWSGI 2.0.21, measured; what seems odd here is what it does.)
type config struct {
	o       facts.Options
	cwd     string // where uWSGI is started
	place   string // why there; empty: nobody knows
	magic   magicVariables
	options []*option
	logic   func(key, value string, at facts.Position) // of the block that is open
	open    []string                                   // files that are being read, for circles
	bytes   int
	said    []facts.Fact    // notes and losses of the reading itself
	asked   map[string]bool // names that the environment was asked for
	asks    map[string]bool // keys that placeholders and conditions ask for
}

// immediate are the options that act while files are read.
var immediate = map[string]func(c *config, o *option) error{}

func init() {
	for _, name := range []string{"ini", "xml", "xmlconfig", "yaml", "yml", "json", "js"} {
		immediate[name] = func(c *config, o *option) error { return c.include(o.value, o.at) }
	}
	immediate["include"] = (*config).byEnding
	immediate["config"] = (*config).byEnding
	for _, name := range []string{"set", "set-placeholder", "set-ph"} {
		immediate[name] = func(c *config, o *option) error {
			key, value, ok := strings.Cut(o.value, "=")
			if !ok {
				return fmt.Errorf("%s: %s = %s: uWSGI does not start with it: it wants NAME=VALUE", o.at, o.key, o.value)
			}
			c.append(&option{key: key, value: value, done: name != "set", at: o.at})
			return nil
		}
	}
	for name := range logic {
		immediate[name] = func(c *config, o *option) error {
			if c.logic != nil {
				return fmt.Errorf("%s: %s stands inside another block: uWSGI does not start with it", o.at, o.key)
			}
			data := o.value
			c.logic = func(key, value string, at facts.Position) {
				for _, item := range logic[name](c, data) {
					c.append(&option{key: key, value: strings.ReplaceAll(value, "%(_)", item), at: at})
				}
			}
			return nil
		}
	}
}

// add takes an option as a file has it.
func (c *config) add(key, value string, at facts.Position) error {
	if len(c.options) > facts.MaxOptions {
		return fmt.Errorf("%s: more than %d options", at, facts.MaxOptions)
	}
	switch key {
	case "end", "endfor", "endif", "end-if", "end-for":
		c.logic = nil
	}
	if c.logic != nil {
		before := len(c.options)
		c.logic(key, value, at)
		return c.act(before)
	}
	c.append(&option{key: key, value: value, at: at})
	return c.act(len(c.options) - 1)
}

func (c *config) append(o *option) { c.options = append(c.options, o) }

// act lets the options from an index on act that act at once.
func (c *config) act(from int) error {
	for _, o := range c.options[from:len(c.options):len(c.options)] {
		if do := immediate[o.key]; do != nil && !o.done {
			o.done = true
			if err := do(c, o); err != nil {
				return err
			}
		}
	}
	return nil
}

// get is the first value of a key: what %(key) means, and if-opt.
func (c *config) get(key string) (string, bool) {
	if c.asks == nil {
		c.asks = map[string]bool{}
	}
	c.asks[key] = true
	for _, o := range c.options {
		if o.key == key {
			return o.value, true
		}
	}
	return "", false
}

// abs is a path as the instance sees it.
func (c *config) abs(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.cwd, path)
}

// byEnding includes a file whose format its ending tells: a section behind it hides
// that, and uWSGI does not start.
func (c *config) byEnding(o *option) error {
	if !IsVassal(o.value) && !strings.Contains(o.value, "://") {
		return fmt.Errorf("%s: %s = %s: uWSGI does not start with it: the name must end in %s; a section is included by ini = FILE:SECTION", o.at, o.key, o.value, strings.Join(vassalEndings, ", "))
	}
	return c.include(o.value, o.at)
}

// include reads a file, or a section of one, into the configuration.
func (c *config) include(name string, at facts.Position) error {
	if strings.Contains(name, "://") {
		c.said = append(c.said, facts.Fact{Set: facts.SetLost, Was: "include = " + name, At: at,
			Value: "only files are read: save what it gives as a file, and include that"})
		return nil
	}
	file, section := CutSection(name)
	if strings.HasPrefix(name, ":") { // of the file at hand
		if len(c.open) == 0 {
			return fmt.Errorf("%s: include = %s: there is no file it could be of", at, name)
		}
		file, section = c.open[len(c.open)-1], name[1:]
		file, _ = CutSection(file)
	}
	file = c.abs(file)
	id := file + ":" + section
	if slices.Contains(c.open, id) {
		return fmt.Errorf("%s: %s includes itself, by %s", at, name, strings.Join(c.open, ", "))
	}
	if len(c.open) > 32 {
		return fmt.Errorf("%s: includes are nested deeper than 32", at)
	}
	text, err := facts.ReadFile(file)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", file, err)
	}
	return c.read(file, section, name, text, at)
}

// read reads the text of a file.
func (c *config) read(file, section, name string, text []byte, _ facts.Position) error {
	if c.bytes += len(text); c.bytes > 4*facts.MaxFile {
		return errors.New("the files that it includes are too large together")
	}
	c.open = append(c.open, file+":"+section)
	defer func() { c.open = c.open[:len(c.open)-1] }()
	c.magic.file(c.cwd, file, section, name)
	asked := section
	if asked == "" {
		asked = "uwsgi"
	}
	text = []byte(c.magic.fill(string(text)))
	switch filepath.Ext(file) {
	case ".yml", ".yaml":
		return c.readYAML(file, asked, text)
	case ".json", ".js":
		return c.readJSON(file, asked, text)
	case ".xml":
		return c.readXML(file, section, text)
	}
	return c.readINI(file, asked, string(text))
}

// readINI reads a section of an ini file.
func (c *config) readINI(file, asked, text string) error {
	section, found := "", false
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line, _, _ = strings.Cut(line, "\x00")
		line = strings.Trim(line, " \t\r")
		switch {
		case line == "" || line[0] == ';' || line[0] == '#':
		case line[0] == '[':
			section = line[1:max(1, len(line)-1)] // whatever its last sign is
		case section == asked:
			found = true
			key, value, _ := strings.Cut(line, "=")
			if err := c.add(strings.TrimRight(key, " \t\r"), strings.Trim(value, " \t\r"), facts.Position{File: file, Line: number}); err != nil {
				return err
			}
		}
	}
	if !found {
		c.said = append(c.said, facts.Fact{Set: facts.SetLost, Was: file, At: facts.Position{File: file},
			Value: fmt.Sprintf("it has no section [%s], so uWSGI takes nothing from it", asked)})
	}
	return nil
}

// resolve fills the placeholders: variables of the environment, files, options.
func (c *config) resolve() error {
	if c.logic != nil {
		c.logic = nil
	}
	var missing error
	passes := []struct {
		sign byte
		hook func(string) (string, bool)
	}{
		{'$', c.variable},
		{'@', func(name string) (string, bool) {
			text, err := facts.ReadFile(c.abs(name))
			if err != nil && missing == nil {
				missing = fmt.Errorf("@(%s): uWSGI does not start with it: %w", name, err)
			}
			return strings.TrimSuffix(string(text), "\n"), err == nil
		}},
		{'%', c.placeholder},
	}
	for _, pass := range passes {
		for _, o := range c.options {
			if o.done {
				continue
			}
			value, err := substitute(o.value, pass.sign, pass.hook)
			if err == nil {
				err = missing
			}
			if err != nil {
				return fmt.Errorf("%s: %s: %w", o.at, o.key, err)
			}
			o.value = value
		}
	}
	// inherit is looked at after that: its file's values come last, and their
	// placeholders stay as they are.
	for i := 0; i < len(c.options); i++ {
		if o := c.options[i]; o.key == "inherit" {
			if err := c.byEnding(o); err != nil {
				return err
			}
		}
	}
	return nil
}

// substitute fills what stands between SIGN( and ). It goes as uWSGI's does, which
// begins again at the second sign of a value that it changed.
func substitute(value string, sign byte, hook func(string) (string, bool)) (string, error) {
	seen, depth, start := 0, 0, 0
	rounds := 0
	for j := 0; j < len(value); j++ {
		switch b := value[j]; {
		case b == sign: // inside another one too: the innermost is filled first
			seen = 1
		case b == '(' && seen == 1:
			seen, depth, start = 2, 0, j+1
		case seen > 1:
			switch {
			case b == '(':
				seen++
				depth++
			case b == ')' && depth > 0:
				seen++
				depth--
			case b == ')':
				if seen <= 2 {
					seen = 0
					continue
				}
				filled, ok := hook(value[start:j])
				seen = 0
				if !ok {
					continue
				}
				if rounds++; rounds > 1000 || len(value) > 1<<20 {
					return "", errors.New("a placeholder is filled with itself: uWSGI does not start with it")
				}
				value = value[:start-2] + filled + value[j+1:]
				j = 0
			default:
				seen++
			}
		default:
			seen = 0
		}
	}
	return value, nil
}

// placeholder is what %(…) means: the first value of a key, or a sum.
func (c *config) placeholder(key string) (string, bool) {
	if !strings.Contains(key, " ") {
		return c.get(key)
	}
	current, state := "", ""
	for _, word := range fieldsBy(key, " ") {
		value := ""
		switch word {
		case "+", "-", "*", "/":
			state = word
			continue
		case "++":
			current, state = strconv.Itoa(facts.LeadingInt(current)+1), ""
			continue
		case "--":
			current, state = strconv.Itoa(facts.LeadingInt(current)-1), ""
			continue
		default:
			if value = word; strings.Trim(word, "0123456789") != "" {
				value, _ = c.get(word)
			}
		}
		a, b := facts.LeadingInt(current), facts.LeadingInt(value)
		switch state {
		case "":
			current += value
		case "+":
			current = strconv.Itoa(a + b)
		case "-":
			current = strconv.Itoa(a - b)
		case "*":
			current = strconv.Itoa(a * b)
		case "/":
			if b == 0 {
				current = "0"
			} else {
				current = strconv.Itoa(a / b)
			}
		}
		state = ""
	}
	return current, true
}

// fieldsBy cuts as C's strtok does: empty parts are none.
func fieldsBy(text, sep string) []string {
	return slices.DeleteFunc(strings.Split(text, sep), func(s string) bool { return s == "" })
}

// CutSection cuts the section from a name: file.ini:section.
func CutSection(name string) (file, section string) {
	i := strings.LastIndexByte(name, ':')
	if i < 0 {
		return name, ""
	}
	return name[:i], name[i+1:]
}
