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
		main := slices.IndexFunc(programs, func(other *program) bool { return web[other.name] == home })
		p.beside(home, programs[main])
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
