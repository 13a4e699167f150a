package apache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// directive is one line of Apache's configuration, with what surrounds it.
type directive struct {
	name   string // in small letters
	was    string // as it is written
	args   []string
	at     facts.Position
	host   *virtualHost // nil: of the whole server
	within []string     // sections such as "<Location /admin>", inside of the host
}

// virtualHost is one <VirtualHost>.
type virtualHost struct {
	addresses []string
	at        facts.Position
}

// conf is a configuration of Apache with what it includes, as httpd 2.4 reads it:
// sections of conditions are decided while it is read.
type conf struct {
	o       facts.Options
	root    string // ServerRoot
	defined map[string]string
	modules map[string]bool // nil: no LoadModule was read, it is a part of a configuration
	open    []string        // files that are being read, for circles
	bytes   int
	all     []directive
	hosts   []*virtualHost
	stack   []apacheSection
	hidden  []string // why a host has no application though it names some

	macros   map[string]*macro
	defining *macro   // whose lines are read
	using    []string // macros whose lines are read, for circles
}

type apacheSection struct {
	name, text string
	skip       bool // its lines do not count
	host       *virtualHost
}

// Mark are directives by which a configuration of Apache is known.
var Mark = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?mi)^[ \t]*(WSGI(ScriptAlias|ScriptAliasMatch|DaemonProcess|HandlerScript)[ \t]|<VirtualHost[ \t]|LoadModule[ \t])`)
})

// Read reads a configuration of Apache whose directives of mod_wsgi start
// applications: a whole one, or a file of sites-available.
func Read(o facts.Options, path string) ([]*facts.App, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	files := []string{abs}
	if info, err := os.Stat(abs); err == nil && info.IsDir() {
		if files, err = Files(abs); err != nil {
			return nil, err
		}
	}
	c := &conf{o: o, root: filepath.Dir(files[0]), defined: map[string]string{}}
	c.variables()
	for _, file := range files {
		if err := c.read(file); err != nil {
			return nil, err
		}
	}
	return c.apps(abs)
}

// Files are the files of a folder: the main one, or each that starts something.
func Files(dir string) ([]string, error) {
	names, err := facts.FolderNames(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"apache2.conf", "httpd.conf"} {
		if slices.Contains(names, name) {
			return []string{filepath.Join(dir, name)}, nil
		}
	}
	var files []string
	for _, name := range names {
		path := filepath.Join(dir, name)
		if text, err := facts.ReadFile(path); strings.HasSuffix(name, ".conf") && err == nil && Mark().Match(text) {
			files = append(files, path)
		}
	}
	if len(files) == 0 {
		return nil, errors.New("no file of it is a configuration of Apache with mod_wsgi")
	}
	return files, nil
}

// variables takes what Debian's apache2ctl exports, from envvars beside the
// configuration or above its folder of sites.
func (c *conf) variables() {
	for _, dir := range []string{filepath.Dir(c.root), c.root} {
		text, err := facts.ReadFile(filepath.Join(dir, "envvars"))
		if err != nil {
			continue
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			if name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "="); ok && facts.Assignment().MatchString(name+"=") {
				c.defined[name] = facts.Variable().ReplaceAllString(strings.Trim(value, `"'`), "")
			}
		}
	}
}

// read reads a file: a backslash at the end of a line joins the next one to it, and a
// comment begins at the start of a line only.
func (c *conf) read(path string) error {
	if slices.Contains(c.open, path) || len(c.open) > 100 {
		return fmt.Errorf("%s includes itself", path)
	}
	text, err := facts.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	if c.bytes += len(text); c.bytes > 4*facts.MaxFile {
		return fmt.Errorf("%s: with it more than %d MiB are included: no configuration is so large", path, 4*facts.MaxFile>>20)
	}
	c.open = append(c.open, path)
	depth := len(c.stack)
	number, began, pending := 0, 0, ""
	for line := range strings.SplitSeq(string(text), "\n") {
		number++
		line = strings.TrimSuffix(line, "\r")
		if pending == "" {
			began = number
		}
		if head, more := strings.CutSuffix(line, `\`); more {
			pending += head
			continue
		}
		full := strings.TrimSpace(pending + line)
		pending = ""
		if full == "" || full[0] == '#' {
			continue
		}
		if err := c.feed(full, facts.Position{File: path, Line: began}); err != nil {
			return err
		}
	}
	if c.defining != nil {
		return fmt.Errorf("%s: the macro is not closed: Apache does not start with it", c.defining.at)
	}
	if len(c.stack) != depth {
		return fmt.Errorf("%s: %s is not closed: Apache does not start with it", path, c.stack[len(c.stack)-1].text)
	}
	c.open = c.open[:len(c.open)-1]
	return nil
}

// feed takes a line, be it of a file or of a macro.
func (c *conf) feed(text string, at facts.Position) error {
	if c.defining != nil {
		c.keep(text, at)
		return nil
	}
	return c.line(c.fill(text), at)
}

var reference = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$\{([^}:]+)\}`) })

// fill puts in what Define or the environment says; what is unknown stays as it is.
func (c *conf) fill(text string) string {
	if !strings.Contains(text, "${") {
		return text
	}
	return reference().ReplaceAllStringFunc(text, func(m string) string {
		name := m[2 : len(m)-1]
		if v, ok := c.defined[name]; ok {
			return v
		}
		if v, ok := c.o.Env(name); ok {
			return v
		}
		return m
	})
}

func (c *conf) skipping() bool { return len(c.stack) > 0 && c.stack[len(c.stack)-1].skip }

func (c *conf) line(text string, at facts.Position) error {
	switch {
	case strings.HasPrefix(text, "</"):
		name := strings.ToLower(strings.Trim(text, "</> \t"))
		if len(c.stack) == 0 || c.stack[len(c.stack)-1].name != name {
			return fmt.Errorf("%s: %s closes what is not open: Apache does not start with it", at, text)
		}
		c.stack = c.stack[:len(c.stack)-1]
		return nil
	case text[0] == '<':
		return c.section(text, at)
	case c.skipping():
		return nil
	}
	name, rest, _ := strings.Cut(strings.ReplaceAll(text, "\t", " "), " ")
	d := directive{name: strings.ToLower(name), was: text, args: splitWords(rest), at: at}
	for _, s := range c.stack {
		switch {
		case s.host != nil:
			d.host = s.host
		case !isCondition(s.name):
			d.within = append(d.within, s.text)
		}
	}
	if len(c.all) > facts.MaxOptions {
		return fmt.Errorf("%s: more than %d directives", at, facts.MaxOptions)
	}
	return c.act(d)
}

// act does what counts while the files are read, and keeps the rest.
func (c *conf) act(d directive) error {
	first := ""
	if len(d.args) > 0 {
		first = d.args[0]
	}
	switch d.name {
	case "define":
		value := ""
		if len(d.args) > 1 {
			value = d.args[1]
		}
		c.defined[first] = value
	case "undefine":
		delete(c.defined, first)
	case "serverroot":
		c.root = first
	case "loadmodule":
		if c.modules == nil {
			// What Debian builds in.
			c.modules = map[string]bool{"core_module": true, "so_module": true, "watchdog_module": true, "http_module": true, "log_config_module": true,
				"logio_module": true, "version_module": true, "unixd_module": true}
		}
		c.modules[first] = true
	case "include", "includeoptional":
		return c.include(first, d)
	case "use":
		return c.use(d)
	case "undefmacro":
		delete(c.macros, strings.ToLower(first))
	default:
		c.all = append(c.all, d)
	}
	return nil
}

func (c *conf) include(name string, d directive) error {
	path := facts.Rel(c.root, name)
	found := []string{path}
	pattern := strings.ContainsAny(name, "*?[")
	if pattern {
		var err error
		if found, err = filepath.Glob(path); err != nil {
			return fmt.Errorf("%s: %s: %w", d.at, d.was, err)
		}
	}
	for _, file := range found {
		info, err := os.Stat(file)
		switch {
		case err != nil && (pattern || d.name == "includeoptional"):
			continue
		case err != nil:
			return fmt.Errorf("%s: cannot read %s: %w", d.at, file, facts.WithoutPath(err))
		case info.IsDir():
			names, err := facts.FolderNames(file)
			if err != nil {
				return fmt.Errorf("%s: cannot read %s: %w", d.at, file, err)
			}
			for _, n := range names {
				if err := c.include(filepath.Join(file, n), d); err != nil {
					return err
				}
			}
			continue
		}
		if err := c.read(file); err != nil {
			return err
		}
	}
	return nil
}

func (c *conf) section(text string, at facts.Position) error {
	if !strings.HasSuffix(text, ">") {
		return fmt.Errorf("%s: %s has no end: Apache does not start with it", at, text)
	}
	name, rest, _ := strings.Cut(strings.ReplaceAll(text[1:len(text)-1], "\t", " "), " ")
	s := apacheSection{name: strings.ToLower(name), text: text, skip: c.skipping()}
	args := splitWords(rest)
	switch {
	case s.skip:
	case isCondition(s.name):
		s.skip = !c.holds(s.name, args)
	case s.name == "virtualhost":
		s.host = &virtualHost{addresses: args, at: at}
		c.hosts = append(c.hosts, s.host)
	case s.name == "macro":
		return c.begin(text, args, at)
	}
	c.stack = append(c.stack, s)
	return nil
}

// splitWords cuts arguments: quotes begin at the start of a word and end it, a
// backslash keeps a quote or a backslash inside of them.
func splitWords(text string) []string {
	var words []string
	for {
		text = strings.TrimLeft(text, " \t")
		if text == "" {
			return words
		}
		var b strings.Builder
		i := 0
		if quote := text[0]; quote == '"' || quote == '\'' {
			for i = 1; i < len(text) && text[i] != quote; i++ {
				if text[i] == '\\' && i+1 < len(text) && (text[i+1] == quote || text[i+1] == '\\') {
					i++
				}
				b.WriteByte(text[i])
			}
			i = min(i+1, len(text))
		} else {
			if i = strings.IndexAny(text, " \t"); i < 0 {
				i = len(text)
			}
			b.WriteString(text[:i])
		}
		words, text = append(words, b.String()), text[i:]
	}
}
