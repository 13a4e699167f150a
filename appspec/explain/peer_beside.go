package explain

import (
	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// processHint is what a name means in a process block, where elsewhere it means
// something else; empty: the same as elsewhere.
func processHint(name, value string) string {
	t := appspec.Table()
	write := func(attr string) string {
		a := t.Attribute[ProcessBlock+"."+attr]
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
		return "a process runs all the time; a job at certain times is written as:\n" + NamedAdvice(ScheduleBlock, NamedBlocks[ScheduleBlock])
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

// scheduleHint is what a name means in a schedule block, where elsewhere it means
// something else; empty: the same as elsewhere.
func scheduleHint(name, _ string) string {
	write := func(attr string) string {
		return "here this is " + attr + ": write: " + appspec.Table().Attribute[ScheduleBlock+"."+attr].Written()
	}
	switch name {
	case "cmd", "exec", "args", "program", "run", "execstart", "job", "script", "task":
		return write("command")
	case "every", "interval", "at", "when", "time", "times", "schedule", "expression", "crontab", "oncalendar", "on_calendar", "spec", "period":
		return write("cron")
	case "tz", "time_zone", "zone", "timezone_name", "cron_tz":
		return write("timezone")
	case "concurrency", "concurrency_policy", "concurrencypolicy", "allow_overlap", "parallel", "prohibit_overlap", "max_instances":
		return write("overlap")
	case "max_time", "deadline", "time_limit", "activedeadlineseconds", "runtimemaxsec", "stop_timeout":
		return write("timeout")
	case "count", "numprocs":
		return "a run is one process: leave it out"
	case "persistent", "catch_up", "catchup", "coalesce", "misfire_grace_time":
		return "leave it out: a missed run is reported in status and log, and is not made up for"
	case "environment", "environ", "envs", "env_vars", "env":
		return "env is an attribute of the app, for all its processes: write it outside of schedule: " + appspec.Table().Attribute["env"].Written()
	case "chdir", "cwd", "workdir", "working_dir", "working_directory", "directory":
		return "it is an attribute of the app, for all its processes: write it outside of schedule: " + appspec.Table().Attribute["working_directory"].Written()
	case "user", "group", "umask", "virtualenv", "python":
		return name + " is an attribute of the app, for all its processes: write it outside of schedule: " + appspec.Table().Attribute[name].Written()
	case "mailto", "log", "logfile", "stdout_logfile", "output":
		return "leave it out: its output goes into the log of the app, under its name"
	}
	return ""
}
