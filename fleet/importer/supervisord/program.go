package supervisord

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

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

// numbers are the bases of what is a number.
var numbers = map[string]int{"numprocs": 10, "numprocs_start": 10, "priority": 10, "startretries": 10, "startsecs": 10, "stopwaitsecs": 10, "umask": 8}

// program fills the values of a section.
func (c *conf) program(section, name string) (*program, error) {
	raw := c.section(section)
	p := &program{name: name, group: c.groupOf(name), values: map[string]entry{}, processes: 1}
	if n := raw["numprocs"]; n.text != "" {
		p.processes = facts.LeadingInt(n.text)
	}
	c.asked = nil
	defer func() { p.asked = c.asked }()
	names := c.names(p, raw)
	own := c.own(raw["environment"], names)
	if err := c.fill(p, raw, names, own); err != nil {
		return nil, err
	}
	if err := c.instances(p, raw, own); err != nil {
		return nil, err
	}
	if err := c.command(p); err != nil {
		return nil, err
	}
	return p, c.variables(p, names)
}

// groupOf is the last group that holds a program; empty: there is none.
func (c *conf) groupOf(name string) (group string) {
	for _, section := range c.order {
		if g, ok := strings.CutPrefix(section, "group:"); ok {
			programs := strings.FieldsFunc(c.section(section)["programs"].text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
			if slices.Contains(programs, name) {
				group = g
			}
		}
	}
	return group
}

// names are what the values of a program know.
func (c *conf) names(p *program, raw map[string]entry) map[string]string {
	host, _ := os.Hostname()
	return map[string]string{
		"program_name": p.name, "group_name": facts.Either(p.group, p.name), "here": c.here, "host_node_name": host,
		"numprocs": facts.Either(raw["numprocs"].text, "1"), "process_num": facts.Either(raw["numprocs_start"].text, "0"),
	}
}

// fill fills each value by the names that supervisord knows by then.
func (c *conf) fill(p *program, raw map[string]entry, names, own map[string]string) error {
	for key, v := range raw {
		known := names
		if afterEnvironment(key) {
			known = own
		}
		text, err := c.expand(v.text, known)
		if err != nil && key != "stdout_logfile" && key != "stderr_logfile" {
			return fmt.Errorf("%s: %s: %w", v.at, key, err)
		}
		if base, ok := numbers[key]; ok {
			if _, err := strconv.ParseInt(text, base, 64); err != nil {
				return fmt.Errorf("%s: %s = %s: it is not a number: supervisord does not start with it", v.at, key, text)
			}
		}
		p.values[key] = entry{text, v.at}
	}
	return nil
}

// command takes a program's command line and where it runs.
func (c *conf) command(p *program) error {
	v := p.values["command"]
	argv, err := shellwords.Shlex(v.text)
	if err != nil { // supervisord itself starts all the same
		p.fails = fmt.Errorf("%s: command = %s: supervisord cannot start it: %w", v.at, facts.CommandText(v.text), err)
	}
	if len(argv) == 0 {
		return fmt.Errorf("%s: program %s has no command", v.at, p.name)
	}
	dir := facts.Either(p.values["directory"].text, c.section("supervisord")["directory"].text)
	p.command = facts.Command{Argv: argv, Dir: facts.Either(dir, c.here), Was: "command = " + facts.CommandText(v.text), At: v.at, Env: map[string]string{}}
	return nil
}

// variables takes supervisord's own variables and those of a program.
func (c *conf) variables(p *program, names map[string]string) error {
	global := c.section("supervisord")["environment"]
	if global.text != "" {
		// It is filled twice there.
		text, err := c.expand(global.text, names)
		if err == nil {
			text, err = c.expand(text, names)
		}
		if err != nil {
			return fmt.Errorf("%s: environment: %w", global.at, err)
		}
		global.text = text
	}
	for _, v := range []entry{global, p.values["environment"]} {
		pairs, err := pairs(v.text)
		if err != nil {
			return fmt.Errorf("%s: environment: %w", v.at, err)
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
	return nil
}
