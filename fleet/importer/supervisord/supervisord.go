package supervisord

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/command"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// conf is a configuration of supervisord with what it includes: sections
// merge, over files too, the last value of a key counts.
type conf struct {
	o        facts.Options
	here     string
	order    []string
	sections map[string]map[string]entry
	env      map[string]string // of [supervisord], which %(ENV_NAME)s knows everywhere else
	asked    []string          // what was taken from the environment of this shell
}

type entry struct {
	text string
	at   facts.Position
}

// Read reads a supervisord.conf: programs that start a WSGI server are apps,
// the others run beside the app whose folder, group or name they share.
func Read(o facts.Options, path string) ([]*facts.App, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	c := &conf{o: o, here: filepath.Dir(abs), sections: map[string]map[string]entry{}}
	if err := c.readAll(abs); err != nil {
		return nil, err
	}
	c.global()
	return c.apps(abs)
}

// readAll reads a file and what it includes.
func (c *conf) readAll(path string) error {
	if err := c.read(path); err != nil {
		return err
	}
	if c.sections["include"] != nil {
		c.placed(c.here)
	}
	if include, ok := c.section("include")["files"]; ok {
		host, _ := os.Hostname()
		text, err := c.expand(include.text, map[string]string{"here": c.here, "host_node_name": host})
		if err != nil {
			return fmt.Errorf("%s: %w", include.at, err)
		}
		for pattern := range strings.FieldsSeq(text) {
			found, err := filepath.Glob(facts.Rel(c.here, pattern))
			if err != nil {
				return fmt.Errorf("%s: files = %s: %w", include.at, pattern, err)
			}
			for _, file := range found {
				if err := c.read(file); err != nil {
					return fmt.Errorf("%s: %w", file, err)
				}
				c.placed(filepath.Dir(file))
			}
		}
	}
	return nil
}

// inlineComment begins at a semicolon or, as supervisord 4 reads under Python 3, a hash
// behind white space, within quotes too.
var inlineComment = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\s[;#]`) })

// read reads one file as Python's ConfigParser does for supervisord: an indented line
// goes on with the value above, and values of [DEFAULT] are those of every section.
func (c *conf) read(path string) error {
	text, err := facts.ReadFile(path)
	if err != nil {
		return err
	}
	section, key := "", ""
	number := 0
	for line := range strings.SplitSeq(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n") {
		number++
		if at := inlineComment().FindStringIndex(line); at != nil {
			line = line[:at[0]]
		}
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || trimmed[0] == ';' || trimmed[0] == '#':
		case (line[0] == ' ' || line[0] == '\t') && key != "":
			v := c.sections[section][key]
			v.text += "\n" + trimmed
			c.sections[section][key] = v
		case trimmed[0] == '[':
			end := strings.IndexByte(trimmed, ']')
			if end < 0 {
				return fmt.Errorf("line %d: a section without an end", number)
			}
			section, key = trimmed[1:end], ""
			if c.sections[section] == nil {
				c.sections[section] = map[string]entry{}
				c.order = append(c.order, section)
			}
		case section == "":
			return fmt.Errorf("line %d: it stands in no section", number)
		default:
			i := strings.IndexAny(trimmed, "=:")
			if i < 0 {
				return fmt.Errorf("line %d: it is not a KEY = VALUE: supervisord does not start with it", number)
			}
			key = strings.ToLower(strings.TrimSpace(trimmed[:i]))
			c.sections[section][key] = entry{strings.TrimSpace(trimmed[i+1:]), facts.Position{File: path, Line: number}}
		}
	}
	return nil
}

// section is what counts in a section: its values, and those of [DEFAULT] that it does
// not set.
func (c *conf) section(name string) map[string]entry {
	all := maps.Clone(c.sections["DEFAULT"])
	if all == nil {
		return c.sections[name]
	}
	maps.Copy(all, c.sections[name])
	return all
}

// program is a section [program:NAME] with its values filled.
type program struct {
	name, group string
	values      map[string]entry
	env         []facts.Fact
	command     facts.Command
	processes   int
	instances   []instance // one for each process, where there are several and not too many
	asked       []string   // what was taken from the environment of this shell
	fails       error      // why supervisord cannot start it
}

func (c *conf) apps(path string) ([]*facts.App, error) {
	var errs []error
	var programs []*program
	var listeners []string // sections
	for _, section := range c.order {
		kind, name, ok := strings.Cut(section, ":")
		if ok && kind == "eventlistener" {
			listeners = append(listeners, section)
		}
		if !ok || kind != "program" && kind != "fcgi-program" {
			continue
		}
		p, err := c.program(section, strings.TrimSpace(name))
		if err == nil {
			err = p.fails
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		programs = append(programs, p)
	}
	var apps []*facts.App
	web := map[string]*facts.App{} // by program
	for _, p := range programs {
		a := &facts.App{Name: facts.AppNameOf(p.name), Source: path + ", program " + p.name + " (supervisord)"}
		if v := p.values["directory"]; v.text != "" {
			a.Add(facts.Fact{Set: facts.SetDirectory, Value: facts.Rel(c.here, v.text), Was: "directory = " + v.text, At: v.at})
		}
		server, err := command.Service(c.o, a, p.command)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if server == "" {
			continue
		}
		c.facts(a, p)
		apps = append(apps, a)
		web[p.name] = a
	}
	for _, p := range programs {
		if web[p.name] != nil {
			continue
		}
		home := c.homeOf(p, programs, web)
		if home == nil {
			errs = append(errs, fmt.Errorf("%s: program %s starts no WSGI server that is known here, and it cannot be told which app it belongs to: %s", p.command.At, p.name, p.command.Was))
			continue
		}
		c.beside(home, p, programs, web)
	}
	for _, section := range listeners {
		if len(apps) > 0 {
			apps[0].Lost(c.section(section)["command"].at, "["+section+"]", "there are no such events here: the daemon's log and the metrics tell what starts, fails and ends")
		}
	}
	if len(programs) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("it holds no program"))
	}
	return apps, errors.Join(errs...)
}

// homeOf is the app that a program runs beside: the only one, the one of its group or
// of its folder.
func (c *conf) homeOf(p *program, all []*program, web map[string]*facts.App) *facts.App {
	var found []*facts.App
	for _, other := range all {
		if a := web[other.name]; a != nil && (other.group != "" && other.group == p.group ||
			p.command.Dir != "" && p.values["directory"].text != "" && other.command.Dir == p.command.Dir) && !slices.Contains(found, a) {
			found = append(found, a)
		}
	}
	if len(found) == 0 && len(web) == 1 {
		for _, a := range web {
			return a
		}
	}
	if len(found) > 0 {
		return found[0]
	}
	return nil
}

// numbers are the bases of what is a number.
var numbers = map[string]int{"numprocs": 10, "numprocs_start": 10, "priority": 10, "startretries": 10, "startsecs": 10, "stopwaitsecs": 10, "umask": 8}

// program fills the values of a section.
func (c *conf) program(section, name string) (*program, error) {
	p := &program{name: name, values: map[string]entry{}, processes: 1}
	for _, s := range c.order {
		if group, ok := strings.CutPrefix(s, "group:"); ok &&
			slices.Contains(strings.FieldsFunc(c.section(s)["programs"].text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' }), name) {
			p.group = group
		}
	}
	host, _ := os.Hostname()
	group := p.group
	if group == "" {
		group = name
	}
	names := map[string]string{"program_name": name, "group_name": group, "here": c.here, "process_num": "0", "numprocs": "1", "host_node_name": host}
	raw := c.section(section)
	if n := raw["numprocs"]; n.text != "" {
		p.processes = facts.LeadingInt(n.text)
		names["numprocs"] = n.text
	}
	if n := raw["numprocs_start"]; n.text != "" {
		names["process_num"] = n.text
	}
	c.asked = nil
	defer func() { p.asked = c.asked }()
	own := c.own(raw["environment"], names)
	for key, v := range raw {
		known := names
		if afterEnvironment(key) {
			known = own
		}
		text, err := c.expand(v.text, known)
		if err != nil && key != "stdout_logfile" && key != "stderr_logfile" {
			return nil, fmt.Errorf("%s: %s: %w", v.at, key, err)
		}
		if base, ok := numbers[key]; ok {
			if _, err := strconv.ParseInt(text, base, 64); err != nil {
				return nil, fmt.Errorf("%s: %s = %s: it is not a number: supervisord does not start with it", v.at, key, text)
			}
		}
		p.values[key] = entry{text, v.at}
	}
	if p.processes > 1 && !strings.Contains(raw["process_name"].text, "process_num") {
		return nil, fmt.Errorf("%s: numprocs = %d: process_name holds no %%(process_num)s: supervisord does not start with it", raw["numprocs"].at, p.processes)
	}
	if err := c.instances(p, raw, own); err != nil {
		return nil, err
	}
	argv, err := shellwords.Shlex(p.values["command"].text)
	if err != nil { // supervisord itself starts all the same
		p.fails = fmt.Errorf("%s: command = %s: supervisord cannot start it: %w", p.values["command"].at, facts.CommandText(p.values["command"].text), err)
	}
	if len(argv) == 0 {
		return nil, fmt.Errorf("%s: program %s has no command", p.values["command"].at, name)
	}
	p.command = facts.Command{Argv: argv, Dir: p.values["directory"].text, Was: "command = " + facts.CommandText(p.values["command"].text), At: p.values["command"].at, Env: map[string]string{}}
	if p.command.Dir == "" {
		p.command.Dir = c.section("supervisord")["directory"].text
	}
	if p.command.Dir == "" {
		p.command.Dir = c.here
	}
	global := c.section("supervisord")["environment"]
	if global.text != "" {
		// It is filled twice there.
		text, err := c.expand(global.text, names)
		if err == nil {
			text, err = c.expand(text, names)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: environment: %w", global.at, err)
		}
		global.text = text
	}
	for _, v := range []entry{global, p.values["environment"]} {
		pairs, err := pairs(v.text)
		if err != nil {
			return nil, fmt.Errorf("%s: environment: %w", v.at, err)
		}
		for _, kv := range pairs {
			p.command.Env[kv[0]] = kv[1]
			p.env = append(p.env, facts.Fact{Set: facts.SetEnv, Key: kv[0], Value: kv[1], At: v.at})
			if kv[2] != "" {
				p.env = append(p.env, facts.Fact{Set: facts.SetNote, Was: "environment " + kv[0], At: v.at,
					Value: "supervisord ends the value at " + kv[2] + ", which stands outside of quotes: if more was meant, write it into env"})
			}
		}
	}
	return p, nil
}

func (c *conf) facts(a *facts.App, p *program) {
	a.Facts = append(a.Facts, p.env...)
	slices.Sort(p.asked)
	for _, name := range slices.Compact(p.asked) {
		a.Note(p.command.At, name, "what was taken is that of this shell, which may not be supervisord's: look at it in the spec")
	}
	if v := c.section("supervisord")["umask"]; v.text != "" && p.values["umask"].text == "" {
		a.Note(v.at, "umask = "+v.text, "supervisord set it only where it went into the background, which it does not under systemd (-n): write umask where the app had it")
	}
	fact := func(key, attribute, value string) facts.Fact {
		v := p.values[key]
		return facts.Fact{Set: attribute, Value: value, Was: key + " = " + v.text, At: v.at}
	}
	set := func(key, attribute, value string) { a.Add(fact(key, attribute, value)) }
	for key, v := range p.values {
		switch key {
		case "user":
			a.StartedAs(fact(key, "user", facts.UserName(v.text)))
		case "umask":
			a.StartedAs(fact(key, "umask", v.text))
		case "stopwaitsecs":
			set(key, "workers.stop_timeout", strconv.Itoa(max(facts.LeadingInt(v.text), 1))+"s")
		case "autostart":
			if !facts.IsTrue(v.text) {
				set(key, "enabled", "false")
			}
		case "numprocs":
			switch {
			case p.differ():
				a.Lost(v.at, "numprocs = "+v.text, "one master serves the app, as the first process did: write workers { count = … } for more processes, and take what told them apart, such as their addresses, out of the proxy in front")
			case p.processes > 1:
				a.Lost(v.at, "numprocs = "+v.text, "one master serves the app: write workers { count = … } for more processes")
			}
		case "stdout_logfile", "stderr_logfile":
			if strings.HasPrefix(v.text, "/") && !strings.HasPrefix(v.text, "/dev/") {
				a.Note(v.at, key+" = "+v.text, "the log is logs/wsgid.log of the app folder, rotated by log.max_size and log.keep")
			}
		case "stdout_logfile_maxbytes":
			set(key, "log.max_size", strings.NewReplacer("KB", "KiB", "MB", "MiB", "GB", "GiB").Replace(v.text))
		case "stdout_logfile_backups":
			set(key, "log.keep", v.text)
		case "autorestart":
			if !isRestarted(v.text) {
				a.Lost(v.at, "autorestart = "+v.text, "a server that ends is started again: stop it by wsgid-fleet stop APP")
			}
		case "stopsignal", "startsecs", "startretries", "exitcodes", "priority", "process_name", "redirect_stderr", "stopasgroup", "killasgroup",
			"command", "directory", "environment", "stderr_logfile_maxbytes", "stderr_logfile_backups", "stdout_capture_maxbytes",
			"stderr_capture_maxbytes", "numprocs_start", "serverurl", "stdout_events_enabled", "stderr_events_enabled":
		default:
			a.Lost(v.at, key, "no counterpart of it is known here")
		}
	}
}

// isRestarted tells whether supervisord starts a program again that has ended badly.
func isRestarted(autorestart string) bool {
	return strings.EqualFold(autorestart, "unexpected") || facts.IsTrue(autorestart)
}
