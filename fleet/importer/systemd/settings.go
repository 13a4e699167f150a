package systemd

import (
	"slices"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// home is the attribute that says what a setting of a service does.
type home struct {
	attribute string
	value     func(text string) string // of the attribute; empty: it takes none such. nil: the same
	takes     string                   // what the attribute takes, where it does not take all
	started   bool                     // the command may have said it already
}

var homes = map[string]home{
	"User":            {attribute: "user", value: facts.UserName, started: true},
	"Group":           {attribute: "group", value: facts.GroupName, started: true},
	"UMask":           {attribute: "umask", started: true},
	"LimitNOFILE":     {attribute: "limits.open_files", value: softLimit},
	"LimitNPROC":      {attribute: "limits.processes"},
	"MemoryMax":       {attribute: "limits.memory", value: ofBinaryUnits},
	"MemoryLimit":     {attribute: "limits.memory", value: ofBinaryUnits},
	"TasksMax":        {attribute: "limits.tasks"},
	"CPUQuota":        {attribute: "limits.cpu", value: ofPercent, takes: "limits.cpu is a number of CPUs"},
	"NoNewPrivileges": {attribute: "no_new_privileges", value: func(text string) string { return strconv.FormatBool(facts.IsTrue(text)) }},
	"TimeoutStopSec": {attribute: "workers.stop_timeout", value: ofSeconds,
		takes: "workers.stop_timeout is a time such as 90s or 1m30s, which ends"},
}

func softLimit(text string) string {
	soft, _, _ := strings.Cut(text, ":")
	return soft
}

func ofBinaryUnits(text string) string {
	return strings.NewReplacer("K", "KiB", "M", "MiB", "G", "GiB").Replace(text)
}

func ofPercent(text string) string {
	n, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil {
		return ""
	}
	return strconv.FormatFloat(n/100, 'f', -1, 64)
}

// ofSeconds is a number of seconds, with its unit or without.
func ofSeconds(text string) string {
	n := facts.LeadingInt(text)
	if n <= 0 || strconv.Itoa(n) != strings.TrimSuffix(text, "s") {
		return ""
	}
	return strconv.Itoa(n) + "s"
}

// take sets the attribute, or says what it takes.
func (h home) take(a *facts.App, was string, v unitValue) {
	f := facts.Fact{Set: h.attribute, Value: v.text, Was: was, At: v.at}
	if h.value != nil {
		f.Value = h.value(v.text)
	}
	switch {
	case h.takes != "" && f.Value == "":
		if v.text != "" {
			a.Lost(v.at, was, h.takes)
		}
	case h.started:
		a.StartedAs(f)
	default:
		a.Add(f)
	}
}

// facts are what the unit says besides its command.
func (u *unitFile) facts(a *facts.App) {
	for _, key := range facts.SortedKeys(u.values) {
		u.others(a, key)
		if name, ok := strings.CutPrefix(key, "Service."); ok {
			u.setting(a, name)
		}
	}
}

// setting carries one setting of the service over, or says what is to be done about it.
func (u *unitFile) setting(a *facts.App, name string) {
	v, _ := u.last("Service." + name)
	was := name + "=" + v.text
	if quoted(v.text) && slices.Contains(withoutQuotes, name) {
		a.Lost(v.at, was, "quotes belong to the value of "+name+", so systemd makes nothing of it: write it without them")
		return
	}
	if h, ok := homes[name]; ok {
		h.take(a, was, v)
		return
	}
	switch name {
	case "ExecStartPre", "ExecStartPost", "ExecStop", "ExecStopPost":
		u.around(a, name)
	case "DynamicUser":
		if facts.IsTrue(v.text) {
			a.Lost(v.at, was, "an app runs as a user that is there: make one (useradd --system NAME), and name it in user")
		}
	case "AmbientCapabilities", "CapabilityBoundingSet":
		if was != "AmbientCapabilities=CAP_NET_BIND_SERVICE" { // root's daemon opens the sockets
			a.Lost(v.at, was, "workers whose user is not root have no capabilities, whatever their port")
		}
	case "SupplementaryGroups":
		a.Lost(v.at, was, "workers have the groups of their user: usermod -a -G "+strings.Join(strings.Fields(v.text), ",")+" USER")
	case "PrivateTmp", "ProtectSystem", "ProtectHome", "ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths",
		"RootDirectory", "PrivateDevices", "PrivateNetwork", "SystemCallFilter", "RestrictAddressFamilies":
		a.Lost(v.at, was, "write it into a drop-in of wsgid-fleet.service for all apps, or chroot = true")
	case "RuntimeDirectory", "StateDirectory", "LogsDirectory", "CacheDirectory", "ConfigurationDirectory":
		u.toBeMade(a, name)
	case "StandardOutput", "StandardError":
		if to, _, isFile := strings.Cut(v.text, ":"); isFile && to != "fd" || to == "null" || to == "tty" {
			a.Lost(v.at, was, "what the app prints is in its own log: read it by wsgid-fleet logs APP")
		}
	default:
		if ownWay(a, name, u.values["Service."+name]) {
			return
		}
		if why := leftOut(name); why != "" && v.text != "" {
			a.Lost(v.at, name+"="+facts.CommandText(v.text), why)
		}
	}
}

// around names the commands that are run before and behind the service.
func (u *unitFile) around(a *facts.App, name string) {
	for _, one := range u.values["Service."+name] {
		if name == "ExecStop" && strings.Contains(one.text, "MAINPID") {
			continue
		}
		a.Lost(one.at, name+"="+facts.CommandText(one.text), "nothing is run around an app: commands of a release are stages of a deploy")
	}
}
