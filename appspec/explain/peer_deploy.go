package explain

import (
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// deployHint is what a name means in a deploy or a database block, or with a value
// that only a repository has, where elsewhere it means something else; empty: the
// same as elsewhere.
func deployHint(name, value, block string) string {
	t := appspec.Table()
	write := func(path, value string) string {
		a := t.Attribute[path]
		return "here this is " + a.Name() + ": write: " + a.Name() + " = " + peerValue(a, value)
	}
	switch block {
	case "app", "", TopOfFile:
		if name == "location" && strings.Contains(value, "git") {
			home := DeployBlock
			if block == TopOfFile {
				home = `app "NAME".` + home
			}
			return "here this is repository: write:\n" + Nest(home, "repository = "+peerValue(t.Attribute["deploy.repository"], value))
		}
	case DeployBlock:
		switch name {
		case "location", "url", "source":
			return write("deploy.repository", value)
		case "environment", "environ", "envs", "env_vars", "environment_variables":
			return "here this is env: write: " + t.Attribute["deploy.env"].Written()
		case "chdir", "cwd", "workdir", "working_dir", "working_directory", "app_dir", "project_dir":
			return write("deploy.directory", value)
		case "command", "cmd", "exec", "args":
			return "a command is of a stage: write:\n" + NamedAdvice(StageBlock, "migrate")
		}
	case StageBlock:
		switch name {
		case "cmd", "exec", "args", "program", "entrypoint", "execstart":
			return "here this is command: write: " + t.Attribute["deploy.stage.command"].Written()
		case "after", "before":
			return "write: when = " + appspec.Quote(name)
		case "environment", "environ", "envs", "env_vars":
			return "env is of deploy, and every stage has it: write: " + Nest(DeployBlock, t.Attribute["deploy.env"].Written())
		}
	case ProcessBlock:
		return processHint(name, value)
	case ScheduleBlock:
		return scheduleHint(name, value)
	case DatabaseBlock:
		switch name {
		case "host", "hostname", "address", "addr", "socket", "url":
			return "here this is server: write: " + t.Attribute["database.server"].Written()
		case "port":
			return `it is of server: write: server = "HOST:PORT"`
		case "user", "username", "role":
			return write("database.owner", value)
		case "variant", "type", "kind":
			return write("database.engine", "")
		}
	}
	return ""
}
