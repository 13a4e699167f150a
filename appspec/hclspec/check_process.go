package hclspec

import (
	"path"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// processes checks what the attributes of process blocks say together.
func (c *checker) processes() {
	for i := range c.spec.Processes {
		p := &c.spec.Processes[i]
		if c.command(processBlock, i, p.Name, p.Command) {
			c.shell(processBlock, i, p.Name, p.Command)
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
	c.warn(appspec.IndexPath(block+".command", i), "the shell of "+lastName(block)+" "+appspec.Quote(name)+" receives the stop signal, and not the program that it runs",
		"write exec before the program, so that it replaces the shell, or leave the shell out")
}

// processHint is what a name means in a process block, where elsewhere it means
// something else; empty: the same as elsewhere.
func processHint(name, value string) string {
	t := appspec.Table()
	write := func(attr string) string {
		a := t.Attribute[processBlock+"."+attr]
		return "here this is " + attr + ": write: " + attr + " = " + peerValue(a, value)
	}
	switch name {
	case "cmd", "exec", "args", "program", "entrypoint", "execstart", "run":
		return "here this is command: write: " + t.Attribute["process.command"].Written()
	case "numprocs", "num_procs", "replicas", "instances", "scale", "processes", "workers", "concurrency":
		return write("count")
	case "stopsignal", "killsignal", "kill_signal", "signal":
		return "here this is stop_signal: write: " + t.Attribute["process.stop_signal"].Written()
	case "stopwaitsecs", "stop_grace_period", "timeoutstopsec", "timeout_stop_sec", "kill_timeout", "graceful_timeout", "grace_period", "timeout":
		return "here this is stop_timeout: write: " + t.Attribute["process.stop_timeout"].Written()
	case "cron", "every", "interval", "oncalendar":
		return "a process runs all the time; a job at certain times is written as:\n" + namedAdvice(scheduleBlock, namedBlocks[scheduleBlock])
	case "environment", "environ", "envs", "env_vars", "env":
		return "env is an attribute of the app, for all its processes: write it outside of process: " + t.Attribute["env"].Written()
	case "chdir", "cwd", "workdir", "working_dir", "working_directory", "directory":
		return "it is an attribute of the app, for all its processes: write it outside of process: " + t.Attribute["working_directory"].Written()
	case "user", "group", "umask", "virtualenv", "python":
		return name + " is an attribute of the app, for all its processes: write it outside of process: " + t.Attribute[name].Written()
	case "autorestart", "restart", "autostart", "startsecs", "startretries", "keep_alive":
		return "leave it out: a process that exits is started again, with the delays of: restart { min_delay = \"1s\" }"
	case "stdout_logfile", "stderr_logfile", "log", "logfile", "redirect_stderr":
		return "leave it out: its output goes into the log of the app, under its name"
	}
	return ""
}
