package supervisord

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// instance is one process of a program: %(process_num)s may be in its name and command.
type instance struct {
	name, command string
	argv          []string
}

// mostInstances bounds how many processes of a program are looked at one by one.
const mostInstances = 200

// instances fills name and command of each process of a program that has several.
func (c *conf) instances(p *program, raw map[string]entry, names map[string]string) error {
	if p.processes > 1 && !strings.Contains(raw["process_name"].text, "process_num") {
		return fmt.Errorf("%s: numprocs = %d: process_name holds no %%(process_num)s: supervisord does not start with it", raw["numprocs"].at, p.processes)
	}
	if p.processes < 2 || p.processes > mostInstances {
		return nil
	}
	first := facts.LeadingInt(names["process_num"])
	for i := range p.processes {
		names["process_num"] = strconv.Itoa(first + i)
		name, err := c.expand(raw["process_name"].text, names)
		if err != nil {
			return fmt.Errorf("%s: process_name: %w", raw["process_name"].at, err)
		}
		command, err := c.expand(raw["command"].text, names)
		if err != nil {
			return fmt.Errorf("%s: command: %w", raw["command"].at, err)
		}
		argv, _ := shellwords.Shlex(command) // an error is told of the first
		p.instances = append(p.instances, instance{name, command, argv})
	}
	return nil
}

// differ tells whether the processes of a program have commands of their own.
func (p *program) differ() bool {
	return slices.ContainsFunc(p.instances, func(i instance) bool { return i.command != p.instances[0].command })
}
