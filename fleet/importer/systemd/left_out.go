package systemd

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// quiet are settings of a service that are read elsewhere, or say nothing of what runs.
var quiet = strings.Fields(`Type ExecStart Environment EnvironmentFile UnsetEnvironment PassEnvironment WorkingDirectory RemainAfterExit PIDFile GuessMainPID
	NotifyAccess NonBlocking UtmpIdentifier CPUAccounting MemoryAccounting TasksAccounting IOAccounting BlockIOAccounting IPAccounting`)

// own is what the fleet does instead of what a setting of a service says, and whether
// that may be something else than it says.
var own = map[string]struct {
	why  string
	lost func(value string) bool // nil: never
	same func(value string) bool // it says what the fleet does; nil: never
}{
	"ExecReload":               {why: "wsgid-fleet reload APP replaces the workers one set by the other; what else is to be done is not", lost: always, same: signalsMain},
	"Restart":                  {why: "an app is started again whenever it ends: stop it by wsgid-fleet stop APP", lost: always, same: oneOf("always", "on-failure")},
	"RestartSec":               {why: laterAndLater, same: oneOf("100ms")},
	"RestartSteps":             {why: laterAndLater},
	"RestartMaxDelaySec":       {why: laterAndLater},
	"StartLimitInterval":       {why: laterAndLater},
	"StartLimitIntervalSec":    {why: laterAndLater},
	"StartLimitBurst":          {why: laterAndLater},
	"StartLimitAction":         {why: "nothing is done to the machine by what becomes of an app: watch its state in the metrics", lost: always, same: oneOf("none")},
	"KillMode":                 {why: "what an app has started ends with it", lost: always, same: oneOf("control-group", "mixed")},
	"KillSignal":               {why: "workers are told to stop by the fleet, by no signal", same: oneOf("SIGTERM", "TERM", "15")},
	"RestartKillSignal":        {why: "workers are told to stop by the fleet, by no signal", same: oneOf("SIGTERM", "TERM", "15")},
	"FinalKillSignal":          {why: "what does not end in time is killed by SIGKILL", lost: always, same: oneOf("SIGKILL", "KILL", "9")},
	"SendSIGKILL":              {why: "what does not end within workers.stop_timeout is killed", lost: always, same: facts.IsTrue},
	"SendSIGHUP":               {why: "workers are told to stop by the fleet, by no signal", lost: always, same: isFalse},
	"TimeoutStartSec":          {why: "workers.start_timeout says it here, 30s where nothing does"},
	"TimeoutSec":               {why: "workers.start_timeout and workers.stop_timeout say it here, 30s where nothing does"},
	"TimeoutAbortSec":          {why: "workers.stop_timeout says it here, 30s where nothing does"},
	"StandardInput":            {why: "an app has no standard input", lost: always, same: oneOf("null")},
	"SyslogIdentifier":         {why: journalOf},
	"SyslogFacility":           {why: journalOf},
	"SyslogLevel":              {why: journalOf},
	"SyslogLevelPrefix":        {why: journalOf},
	"SuccessExitStatus":        {why: againHowever, lost: always},
	"RestartPreventExitStatus": {why: againHowever, lost: always},
	"RestartForceExitStatus":   {why: againHowever},
	"Sockets":                  {why: "hand these sockets to wsgid-fleet.service, and write listen = \"systemd:NAME\"", lost: always},
	"BusName":                  {why: "nobody waits for the name: wsgid-fleet.service does not have it"},
	"Delegate":                 {why: "control groups of an app are the service manager's", lost: always, same: isFalse},
}

const (
	laterAndLater = "what ends is started again ever later, for ever: restart.min_delay and restart.max_delay say when"
	journalOf     = "entries in the journal carry WSGID_APP and WSGID_WORKER where log.target = \"journal\""
	againHowever  = "an app is started again however it ends"
)

func always(string) bool { return true }

func isFalse(value string) bool { return !facts.IsTrue(value) }

func oneOf(values ...string) func(string) bool {
	return func(value string) bool { return slices.Contains(values, value) }
}

// signalsMain tells of a command that has the main process reload, as wsgid-fleet
// reload has the app.
func signalsMain(command string) bool {
	return strings.Contains(command, "MAINPID") && strings.Contains(command, "HUP")
}

// ownWay tells what the fleet does instead of what a setting says, and whether it is one
// of those.
func ownWay(a *facts.App, name string, all []unitValue) bool {
	o, is := own[name]
	if !is {
		return false
	}
	for _, v := range all {
		switch was := name + "=" + facts.CommandText(v.text); {
		case v.text == "" || o.same != nil && o.same(v.text):
		case o.lost != nil && o.lost(v.text):
			a.Lost(v.at, was, o.why)
		default:
			a.Note(v.at, was, o.why)
		}
	}
	return true
}

// shared are settings that the unit of the fleet may have, for all apps.
var shared = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(Protect|Private|Restrict|SystemCall|Capability|Ambient|Bind|Temporary|NoExec|Exec(Paths|SearchPath)|ReadWrite|ReadOnly|Inaccessible|Memory|IP|IO|CPU|OOM|Limit|Device|NUMA|BlockIO|Allowed|Root|Mount|Proc|Keyring|AppArmor|SELinux|Smack|Secure|Timer)|^(Nice|Slice|LockPersonality|RemoveIPC|Personality|PAMName|IgnoreSIGPIPE|CoredumpFilter)$`)
})

// leftOut is why a setting of a service is not carried over; empty: nothing needs to be said.
func leftOut(name string) string {
	switch {
	case slices.Contains(quiet, name) || strings.HasPrefix(name, "X-") || strings.HasSuffix(name, "DirectoryMode"): // toBeMade tells it
		return ""
	case strings.HasPrefix(name, "Watchdog"):
		return "workers that hang are found by workers.request_timeout, apps by a health check: write health { path = … }"
	case strings.HasPrefix(name, "LoadCredential"), strings.HasPrefix(name, "SetCredential"):
		return "write it into a variable: env = { NAME = file(\"/path\") }"
	case name == "RuntimeDirectoryPreserve":
		return "make the folder by a file in /etc/tmpfiles.d"
	case shared().MatchString(name):
		return "write it into a drop-in of wsgid-fleet.service for all apps: systemctl edit wsgid-fleet"
	}
	return "no counterpart of it is known here"
}

// unitQuiet are what a unit says of itself, for people and for the unit alone.
var unitQuiet = strings.Fields("Description Documentation SourcePath DefaultDependencies IgnoreOnIsolate CollectMode AllowIsolate")

// reached are units that are there when wsgid-fleet.service starts, by its own After= and
// by what all services come after.
var reached = strings.Fields("network.target network-pre.target nss-user-lookup.target local-fs.target local-fs-pre.target swap.target basic.target sysinit.target sockets.target paths.target timers.target syslog.target")

// others tells what a unit asks of others, which is the unit's of the fleet now.
func (u *unitFile) others(a *facts.App, key string) {
	name, ok := strings.CutPrefix(key, "Unit.")
	if !ok {
		return
	}
	v, _ := u.last(key)
	switch {
	case slices.Contains([]string{"After", "Requires", "Requisite", "Wants", "BindsTo", "PartOf"}, name):
		for _, one := range u.values[key] {
			units := slices.DeleteFunc(strings.Fields(one.text), func(unit string) bool {
				return slices.Contains(reached, unit) || strings.HasSuffix(unit, ".socket")
			})
			if len(units) > 0 {
				a.Note(one.at, name+"="+strings.Join(units, " "), "wsgid-fleet.service starts the app: write it there too, by systemctl edit wsgid-fleet")
			}
		}
	case strings.HasPrefix(name, "Condition"), strings.HasPrefix(name, "Assert"):
		a.Lost(v.at, name+"="+v.text, "the app starts whenever the fleet does: write enabled = false where it is not to")
	case name == "OnFailure", name == "OnSuccess":
		a.Lost(v.at, name+"="+v.text, "no unit is started by what becomes of an app: watch its state in the metrics")
	case slices.Contains(unitQuiet, name), v.text == "", strings.HasPrefix(name, "X-"), ownWay(a, name, u.values[key]):
	case strings.HasSuffix(name, "Action"):
		a.Lost(v.at, name+"="+v.text, "nothing is done to the machine by what becomes of an app: watch its state in the metrics")
	default:
		a.Note(v.at, name+"="+v.text, "wsgid-fleet.service starts and stops the app: write it there, where it is to hold for all apps")
	}
}
