package importer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// maxOptions bounds what loops and includes of a configuration can make.
const maxOptions = 20_000

// option is one option of a uWSGI instance, as its files give it.
type option struct {
	key, value string
	done       bool // taken already: placeholders are not looked for in it
	at         Position
}

// uwsgiConfig is the configuration of one uWSGI instance on its way: files are read
// in order, options that act at once act, and at the end placeholders are filled.
// (uWSGI 2.0.21, measured; what seems odd here is what it does.)
type uwsgiConfig struct {
	o       Options
	cwd     string // where uWSGI is started
	magic   uwsgiMagic
	options []*option
	logic   func(key, value string, at Position) // of the block that is open
	open    []string                             // files that are being read, for circles
	bytes   int
	said    []Fact          // notes and losses of the reading itself
	asked   bool            // the environment was asked
	asks    map[string]bool // keys that placeholders and conditions ask for
}

// immediate are the options that act while files are read.
var immediate = map[string]func(c *uwsgiConfig, o *option) error{}

func init() {
	for _, name := range []string{"ini", "xml", "xmlconfig", "yaml", "yml", "json", "js"} {
		immediate[name] = func(c *uwsgiConfig, o *option) error { return c.include(o.value, o.at) }
	}
	immediate["include"] = (*uwsgiConfig).byEnding
	immediate["config"] = (*uwsgiConfig).byEnding
	for _, name := range []string{"set", "set-placeholder", "set-ph"} {
		immediate[name] = func(c *uwsgiConfig, o *option) error {
			key, value, ok := strings.Cut(o.value, "=")
			if !ok {
				return fmt.Errorf("%s: %s = %s: uWSGI does not start with it: it wants NAME=VALUE", o.at, o.key, o.value)
			}
			c.append(&option{key: key, value: value, done: name != "set", at: o.at})
			return nil
		}
	}
	for name := range uwsgiLogic {
		immediate[name] = func(c *uwsgiConfig, o *option) error {
			if c.logic != nil {
				return fmt.Errorf("%s: %s stands inside another block: uWSGI does not start with it", o.at, o.key)
			}
			data := o.value
			c.logic = func(key, value string, at Position) {
				for _, item := range uwsgiLogic[name](c, data) {
					c.append(&option{key: key, value: strings.ReplaceAll(value, "%(_)", item), at: at})
				}
			}
			return nil
		}
	}
}

// add takes an option as a file has it.
func (c *uwsgiConfig) add(key, value string, at Position) error {
	if len(c.options) > maxOptions {
		return fmt.Errorf("%s: more than %d options", at, maxOptions)
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

func (c *uwsgiConfig) append(o *option) { c.options = append(c.options, o) }

// act lets the options from an index on act that act at once.
func (c *uwsgiConfig) act(from int) error {
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
func (c *uwsgiConfig) get(key string) (string, bool) {
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

// uwsgiLogic are the blocks: what they return are the values of %(_) for which a line
// of theirs counts.
var uwsgiLogic = map[string]func(c *uwsgiConfig, data string) []string{
	"for": func(_ *uwsgiConfig, data string) []string { return fieldsBy(data, " ") },
	"for-times": func(_ *uwsgiConfig, data string) []string {
		n := min(leadingInt(data), maxOptions)
		out := make([]string, 0, max(n, 0))
		for i := 1; i <= n; i++ {
			out = append(out, strconv.Itoa(i))
		}
		return out
	},
	"for-glob": globbed,
	"for-readline": func(c *uwsgiConfig, data string) []string {
		text, err := readFile(c.abs(data))
		if err != nil {
			return nil
		}
		return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	},
	"if-opt":     ifOption(true),
	"if-not-opt": ifOption(false),
	"if-env":     ifVariable(true),
	"ifenv":      ifVariable(true),
	"if-not-env": ifVariable(false),
	"if-reload":  func(*uwsgiConfig, string) []string { return nil },
	"if-not-reload": func(*uwsgiConfig, string) []string {
		return []string{"%(_)"}
	},
	"if-exists":       ifFile(true, func(os.FileInfo) bool { return true }),
	"ifexists":        ifFile(true, func(os.FileInfo) bool { return true }),
	"if-not-exists":   ifFile(false, func(os.FileInfo) bool { return true }),
	"if-file":         ifFile(true, func(i os.FileInfo) bool { return i.Mode().IsRegular() }),
	"if-not-file":     ifFile(false, func(i os.FileInfo) bool { return i.Mode().IsRegular() }),
	"if-dir":          ifFile(true, os.FileInfo.IsDir),
	"ifdir":           ifFile(true, os.FileInfo.IsDir),
	"if-directory":    ifFile(true, os.FileInfo.IsDir),
	"if-not-dir":      ifFile(false, os.FileInfo.IsDir),
	"if-plugin":       ifPlugin(true),
	"ifplugin":        ifPlugin(true),
	"if-not-plugin":   ifPlugin(false),
	"if-hostname":     ifHostname(true),
	"if-not-hostname": ifHostname(false),
}

// globbed are the files of a pattern; one that matches none stands for itself.
func globbed(c *uwsgiConfig, data string) []string {
	found, err := filepath.Glob(c.abs(data))
	if err != nil || len(found) == 0 {
		return []string{data}
	}
	if !filepath.IsAbs(data) {
		for i, name := range found {
			if rel, err := filepath.Rel(c.cwd, name); err == nil {
				found[i] = rel
			}
		}
	}
	return found
}

// when is a condition's answer.
func when(holds, wanted bool, item string) []string {
	if holds != wanted {
		return nil
	}
	return []string{item}
}

// orItself is what %(_) becomes: without a value it stays.
func orItself(have string, ok bool) string {
	if !ok {
		return "%(_)"
	}
	return have
}

func ifOption(wanted bool) func(*uwsgiConfig, string) []string {
	return func(c *uwsgiConfig, data string) []string {
		key, want, compare := strings.Cut(data, "=")
		have, ok := c.get(key)
		return when(ok && (!compare || want == have), wanted, orItself(have, ok))
	}
}

func ifVariable(wanted bool) func(*uwsgiConfig, string) []string {
	return func(c *uwsgiConfig, data string) []string {
		key, want, compare := strings.Cut(data, "=")
		c.asked = true
		have, ok := c.o.lookupEnv(key)
		return when(ok && (!compare || want == have), wanted, orItself(have, ok))
	}
}

func ifFile(wanted bool, is func(os.FileInfo) bool) func(*uwsgiConfig, string) []string {
	return func(c *uwsgiConfig, data string) []string {
		info, err := os.Stat(c.abs(data))
		return when(err == nil && is(info), wanted, data)
	}
}

func ifPlugin(wanted bool) func(*uwsgiConfig, string) []string {
	return func(c *uwsgiConfig, data string) []string {
		loaded := slices.ContainsFunc(c.options, func(o *option) bool {
			return strings.HasSuffix(o.key, "plugin") || strings.HasSuffix(o.key, "plugins") &&
				slices.Contains(strings.Split(o.value, ","), data)
		})
		return when(loaded, wanted, data)
	}
}

func ifHostname(wanted bool) func(*uwsgiConfig, string) []string {
	return func(_ *uwsgiConfig, data string) []string {
		name, _ := os.Hostname()
		return when(name == data, wanted, data)
	}
}

// abs is a path as the instance sees it.
func (c *uwsgiConfig) abs(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.cwd, path)
}

// byEnding includes a file whose format its ending tells: a section behind it hides
// that, and uWSGI does not start.
func (c *uwsgiConfig) byEnding(o *option) error {
	if !isVassal(o.value) && !strings.Contains(o.value, "://") {
		return fmt.Errorf("%s: %s = %s: uWSGI does not start with it: the name must end in %s; a section is included by ini = FILE:SECTION", o.at, o.key, o.value, strings.Join(vassalEndings, ", "))
	}
	return c.include(o.value, o.at)
}

// include reads a file, or a section of one, into the configuration.
func (c *uwsgiConfig) include(name string, at Position) error {
	if strings.Contains(name, "://") {
		c.said = append(c.said, Fact{Set: setLost, Was: "include = " + name, At: at,
			Value: "only files are read: save what it gives as a file, and include that"})
		return nil
	}
	file, section := cutSection(name)
	if strings.HasPrefix(name, ":") { // of the file at hand
		if len(c.open) == 0 {
			return fmt.Errorf("%s: include = %s: there is no file it could be of", at, name)
		}
		file, section = c.open[len(c.open)-1], name[1:]
		file, _ = cutSection(file)
	}
	file = c.abs(file)
	id := file + ":" + section
	if slices.Contains(c.open, id) {
		return fmt.Errorf("%s: %s includes itself, by %s", at, name, strings.Join(c.open, ", "))
	}
	if len(c.open) > 32 {
		return fmt.Errorf("%s: includes are nested deeper than 32", at)
	}
	text, err := readFile(file)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", file, err)
	}
	return c.read(file, section, name, text, at)
}

// read reads the text of a file.
func (c *uwsgiConfig) read(file, section, name string, text []byte, _ Position) error {
	if c.bytes += len(text); c.bytes > 4*maxFile {
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
func (c *uwsgiConfig) readINI(file, asked, text string) error {
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
			if err := c.add(strings.TrimRight(key, " \t\r"), strings.Trim(value, " \t\r"), Position{file, number}); err != nil {
				return err
			}
		}
	}
	if !found {
		c.said = append(c.said, Fact{Set: setLost, Was: file, At: Position{File: file},
			Value: fmt.Sprintf("it has no section [%s], so uWSGI takes nothing from it", asked)})
	}
	return nil
}

// resolve fills the placeholders: variables of the environment, files, options.
func (c *uwsgiConfig) resolve() error {
	if c.logic != nil {
		c.logic = nil
	}
	var missing error
	passes := []struct {
		sign byte
		hook func(string) (string, bool)
	}{
		{'$', func(name string) (string, bool) { c.asked = true; return c.o.lookupEnv(name) }},
		{'@', func(name string) (string, bool) {
			text, err := readFile(c.abs(name))
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
func (c *uwsgiConfig) placeholder(key string) (string, bool) {
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
			current, state = strconv.Itoa(leadingInt(current)+1), ""
			continue
		case "--":
			current, state = strconv.Itoa(leadingInt(current)-1), ""
			continue
		default:
			if value = word; strings.Trim(word, "0123456789") != "" {
				value, _ = c.get(word)
			}
		}
		a, b := leadingInt(current), leadingInt(value)
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

// leadingInt is a number as C's atoi reads it.
func leadingInt(text string) int {
	text = strings.TrimLeft(text, " \t")
	end := 0
	for end < len(text) && (text[end] >= '0' && text[end] <= '9' || end == 0 && (text[0] == '-' || text[0] == '+')) {
		end++
	}
	n, err := strconv.Atoi(text[:end])
	if err != nil {
		return 0
	}
	return n
}

// fieldsBy cuts as C's strtok does: empty parts are none.
func fieldsBy(text, sep string) []string {
	return slices.DeleteFunc(strings.Split(text, sep), func(s string) bool { return s == "" })
}

// cutSection cuts the section from a name: file.ini:section.
func cutSection(name string) (file, section string) {
	i := strings.LastIndexByte(name, ':')
	if i < 0 {
		return name, ""
	}
	return name[:i], name[i+1:]
}
