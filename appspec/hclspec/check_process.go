package hclspec

import (
	"path"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// processes checks what the attributes of process blocks say together.
func (c *checker) processes() {
	for i := range c.spec.Processes {
		p := &c.spec.Processes[i]
		if c.command(explain.ProcessBlock, i, p.Name, p.Command) {
			c.shell(explain.ProcessBlock, i, p.Name, p.Command)
		}
	}
}

// shells are the programs that run others by "-c".
var shells = []string{"sh", "bash", "dash", "ash", "zsh", "ksh"}

// shell warns of a shell that would be told to stop in place of what it runs.
func (c *checker) shell(block string, i int, name string, command []string) {
	if len(command) < 3 || !slices.Contains(shells, path.Base(command[0])) || command[1] != "-c" && command[1] != "-ec" {
		return
	}
	script := strings.TrimSpace(command[2])
	if strings.HasPrefix(script, "exec ") || strings.Contains(script, "; exec ") || strings.Contains(script, "&& exec ") || strings.Contains(script, "\nexec ") {
		return
	}
	c.warn(appspec.IndexPath(block+".command", i), "the shell of "+explain.LastName(block)+" "+appspec.Quote(name)+" receives the stop signal, and not the program that it runs",
		"write exec before the program, so that it replaces the shell, or leave the shell out")
}
