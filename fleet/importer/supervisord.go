package importer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// supervisorConf is a configuration of supervisord with what it includes: sections
// merge, over files too, the last value of a key counts.
type supervisorConf struct {
	o        Options
	here     string
	order    []string
	sections map[string]map[string]supervisorValue
}

type supervisorValue struct {
	text string
	at   Position
}

// supervisord reads a supervisord.conf: programs that start a WSGI server are apps,
// the others run beside the app whose folder, group or name they share.
func (o Options) supervisord(path string) ([]*App, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	c := &supervisorConf{o: o, here: filepath.Dir(abs), sections: map[string]map[string]supervisorValue{}}
	if err := c.read(abs); err != nil {
		return nil, err
	}
	if include, ok := c.sections["include"]["files"]; ok {
		host, _ := os.Hostname()
		text, err := c.expand(include.text, map[string]string{"here": c.here, "host_node_name": host})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", include.at, err)
		}
		for pattern := range strings.FieldsSeq(text) {
			found, err := filepath.Glob(rel(c.here, pattern))
			if err != nil {
				return nil, fmt.Errorf("%s: files = %s: %w", include.at, pattern, err)
			}
			for _, file := range found {
				if err := c.read(file); err != nil {
					return nil, fmt.Errorf("%s: %w", file, err)
				}
			}
		}
	}
	return c.apps(abs)
}

// read reads one file as Python's ConfigParser does for supervisord: a comment begins
// at a semicolon behind white space, an indented line goes on with the value above.
func (c *supervisorConf) read(path string) error {
	text, err := readFile(path)
	if err != nil {
		return err
	}
	section, key := "", ""
	number := 0
	for line := range strings.SplitSeq(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n") {
		number++
		if i := strings.Index(line, " ;"); i >= 0 {
			line = line[:i]
		} else if i := strings.Index(line, "\t;"); i >= 0 {
			line = line[:i]
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
				c.sections[section] = map[string]supervisorValue{}
				c.order = append(c.order, section)
			}
		case section == "":
			return fmt.Errorf("line %d: it stands in no section", number)
		default:
			i := strings.IndexAny(trimmed, "=:")
			if i < 0 {
				return fmt.Errorf("line %d: it is no KEY = VALUE: supervisord does not start with it", number)
			}
			key = strings.ToLower(strings.TrimSpace(trimmed[:i]))
			c.sections[section][key] = supervisorValue{strings.TrimSpace(trimmed[i+1:]), Position{path, number}}
		}
	}
	return nil
}

var expansion = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`%(?:\((\w+)\)(0?\d*)([sd])|(.?))`) })

// expand fills %(name)s as Python's % does; %% is a percent sign.
func (c *supervisorConf) expand(text string, names map[string]string) (string, error) {
	var fail error
	out := expansion().ReplaceAllStringFunc(text, func(m string) string {
		parts := expansion().FindStringSubmatch(m)
		switch {
		case parts[1] == "" && parts[4] == "%":
			return "%"
		case parts[1] == "":
			fail = fmt.Errorf("%q: a percent sign is written twice: supervisord does not start with it", text)
			return m
		}
		value, ok := names[parts[1]]
		if !ok {
			if name, isEnv := strings.CutPrefix(parts[1], "ENV_"); isEnv {
				value, ok = c.o.lookupEnv(name)
			}
		}
		if !ok {
			fail = fmt.Errorf("%s is not known here: supervisord does not start without it", m)
			return m
		}
		if parts[3] == "d" {
			n, err := strconv.Atoi(value)
			if err != nil {
				fail = fmt.Errorf("%s is no number", m)
			}
			value = fmt.Sprintf("%"+parts[2]+"d", n)
		}
		return value
	})
	return out, fail
}

// program is a section [program:NAME] with its values filled.
type program struct {
	name, group string
	values      map[string]supervisorValue
	env         []Fact
	command     command
	processes   int
}

func (c *supervisorConf) apps(path string) ([]*App, error) {
	var errs []error
	var programs []*program
	for _, section := range c.order {
		kind, name, ok := strings.Cut(section, ":")
		if !ok || kind != "program" && kind != "fcgi-program" {
			continue
		}
		p, err := c.program(section, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		programs = append(programs, p)
	}
	var apps []*App
	web := map[string]*App{} // by program
	for _, p := range programs {
		a := &App{Name: appNameOf(p.name), Source: path + ", program " + p.name + " (supervisord)"}
		if v := p.values["directory"]; v.text != "" {
			a.add(Fact{Set: setDirectory, Value: rel(c.here, v.text), Was: "directory = " + v.text, At: v.at})
		}
		server, err := c.o.service(a, p.command)
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
			errs = append(errs, fmt.Errorf("%s: program %s starts no WSGI server that is known here, and it cannot be told which app it belongs to: %s", p.command.at, p.name, p.command.was))
			continue
		}
		c.beside(home, p, programs, web)
	}
	if len(programs) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("it holds no program"))
	}
	return apps, errors.Join(errs...)
}

// homeOf is the app that a program runs beside: the only one, the one of its group or
// of its folder.
func (c *supervisorConf) homeOf(p *program, all []*program, web map[string]*App) *App {
	var found []*App
	for _, other := range all {
		if a := web[other.name]; a != nil && (other.group != "" && other.group == p.group ||
			p.command.dir != "" && p.values["directory"].text != "" && other.command.dir == p.command.dir) && !slices.Contains(found, a) {
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

// program fills the values of a section.
func (c *supervisorConf) program(section, name string) (*program, error) {
	p := &program{name: name, values: map[string]supervisorValue{}, processes: 1}
	for _, s := range c.order {
		if group, ok := strings.CutPrefix(s, "group:"); ok &&
			slices.Contains(strings.FieldsFunc(c.sections[s]["programs"].text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' }), name) {
			p.group = group
		}
	}
	host, _ := os.Hostname()
	group := p.group
	if group == "" {
		group = name
	}
	names := map[string]string{"program_name": name, "group_name": group, "here": c.here, "process_num": "0", "numprocs": "1", "host_node_name": host}
	raw := c.sections[section]
	if n := raw["numprocs"]; n.text != "" {
		p.processes = leadingInt(n.text)
		names["numprocs"] = n.text
	}
	if n := raw["numprocs_start"]; n.text != "" {
		names["process_num"] = n.text
	}
	for key, v := range raw {
		text, err := c.expand(v.text, names)
		if err != nil && key != "stdout_logfile" && key != "stderr_logfile" {
			return nil, fmt.Errorf("%s: %s: %w", v.at, key, err)
		}
		p.values[key] = supervisorValue{text, v.at}
	}
	argv := shellwords.Split(p.values["command"].text)
	if len(argv) == 0 {
		return nil, fmt.Errorf("%s: program %s has no command", p.values["command"].at, name)
	}
	p.command = command{argv: argv, dir: p.values["directory"].text, was: "command = " + commandText(p.values["command"].text), at: p.values["command"].at, env: map[string]string{}}
	if p.command.dir == "" {
		p.command.dir = c.sections["supervisord"]["directory"].text
	}
	if p.command.dir == "" {
		p.command.dir = c.here
	}
	global := c.sections["supervisord"]["environment"]
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
	for _, v := range []supervisorValue{global, p.values["environment"]} {
		pairs, err := supervisorPairs(v.text)
		if err != nil {
			return nil, fmt.Errorf("%s: environment: %w", v.at, err)
		}
		for _, kv := range pairs {
			p.command.env[kv[0]] = kv[1]
			p.env = append(p.env, Fact{Set: setEnv, Key: kv[0], Value: kv[1], At: v.at})
			if kv[2] != "" {
				p.env = append(p.env, Fact{Set: setNote, Was: "environment " + kv[0], At: v.at,
					Value: "supervisord ends the value at " + kv[2] + ", which stands outside of quotes: if more was meant, write it into env"})
			}
		}
	}
	return p, nil
}

// commandText is a command as it may be printed: short, and without what may be a
// password.
func commandText(text string) string {
	words := strings.Fields(text)
	for i, word := range words {
		if name, _, ok := strings.Cut(word, "="); ok && isSecretName(name) {
			words[i] = name + "=…"
		}
		if i > 0 && strings.HasPrefix(words[i-1], "-") && isSecretName(words[i-1]) {
			words[i] = "…"
		}
		if strings.Contains(word, "://") && strings.Contains(word, "@") {
			words[i] = "…"
		}
	}
	text = strings.Join(words, " ")
	if len(text) > 120 {
		text = text[:120] + "…"
	}
	return text
}

func (c *supervisorConf) facts(a *App, p *program) {
	a.Facts = append(a.Facts, p.env...)
	set := func(key, attribute, value string) {
		v := p.values[key]
		a.add(Fact{Set: attribute, Value: value, Was: key + " = " + v.text, At: v.at})
	}
	for key, v := range p.values {
		switch key {
		case "user":
			set(key, "user", userName(v.text))
		case "umask":
			set(key, "umask", v.text)
		case "stopwaitsecs":
			set(key, "workers.stop_timeout", strconv.Itoa(max(leadingInt(v.text), 1))+"s")
		case "autostart":
			if !uwsgiTrue(v.text) {
				set(key, "enabled", "false")
			}
		case "numprocs":
			if p.processes > 1 {
				a.lost(v.at, "numprocs = "+v.text, "one master serves the app: write workers { count = … } for more processes")
			}
		case "stdout_logfile_maxbytes":
			set(key, "log.max_size", strings.NewReplacer("KB", "KiB", "MB", "MiB", "GB", "GiB").Replace(v.text))
		case "stdout_logfile_backups":
			set(key, "log.keep", v.text)
		case "stopsignal", "startsecs", "startretries", "autorestart", "exitcodes", "priority", "process_name", "redirect_stderr", "stopasgroup", "killasgroup",
			"command", "directory", "environment", "stdout_logfile", "stderr_logfile", "stderr_logfile_maxbytes", "stderr_logfile_backups", "stdout_capture_maxbytes",
			"stderr_capture_maxbytes", "numprocs_start", "serverurl", "stdout_events_enabled", "stderr_events_enabled":
		default:
			a.lost(v.at, key, "no counterpart of it is known here")
		}
	}
}

// supervisorPairs reads environment= as supervisord does, by the tokens of Python's
// shlex: a sign that is neither of a word nor in quotes ends the value, and what
// follows the next sign is looked at as if nothing had been. The third is that sign.
func supervisorPairs(text string) ([][3]string, error) {
	tokens := shlexTokens(text)
	var out [][3]string
	for i := 0; i < len(tokens); i += 4 {
		if i+3 > len(tokens) {
			return nil, errors.New("it ends in the middle of KEY=VALUE: supervisord does not start with it")
		}
		if tokens[i+1] != "=" {
			return nil, fmt.Errorf("%s has no value: supervisord does not start with it", tokens[i])
		}
		pair := [3]string{strings.Trim(tokens[i], `'"`), strings.Trim(tokens[i+2], `'"`), ""}
		if i+3 < len(tokens) && tokens[i+3] != "," {
			pair[2] = tokens[i+3]
		}
		out = append(out, pair)
	}
	if strings.Contains(text, "#") && len(out) > 0 && !strings.Contains(strings.Join(tokens, ""), "#") {
		out[len(out)-1][2] = "#"
	}
	return out, nil
}

// shlexTokens are the tokens of Python's shlex, with the word signs that supervisord
// adds.
func shlexTokens(text string) []string {
	isWord := func(b byte) bool {
		return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || strings.IndexByte("_/.+-():", b) >= 0
	}
	var out []string
	for i := 0; i < len(text); {
		b := text[i]
		start := i
		switch {
		case strings.IndexByte(" \t\r\n", b) >= 0:
			i++
			continue
		case b == '#':
			for i < len(text) && text[i] != '\n' {
				i++
			}
			continue
		case b == '\'' || b == '"':
			end := strings.IndexByte(text[i+1:], b)
			if end < 0 {
				return append(out, text[i:])
			}
			i += end + 2
		case isWord(b):
			for i < len(text) && (isWord(text[i]) || text[i] == '\'' || text[i] == '"') {
				i++
			}
		default:
			i++
		}
		out = append(out, text[start:i])
	}
	return out
}
