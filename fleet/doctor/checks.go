package doctor

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
)

// checks are all of them, in the order in which they are shown.
var checks = []struct {
	name string
	of   func(Facts) []Finding
}{
	{"fleet", fleetCheck},
	{"specs", specs},
	{"open files", openFiles},
	{"processes", processes},
	{"inotify", inotify},
	{"somaxconn", somaxconn},
	{"ports", ports},
	{"users", users},
	{"python", pythons},
	{"folders", folders},
	{"certificates", certificates},
	{"clock", clock},
	{"disk", disks},
	{"state", state},
	{"systemd", systemd},
	{"cgroup", cgroup},
	{"libzmq", libzmq},
}

// Check judges the facts. A check that finds nothing wrong says so in one finding.
func Check(f Facts) []Finding {
	var all []Finding
	for _, c := range checks {
		for _, found := range c.of(f) {
			found.Check = c.name
			all = append(all, found)
		}
	}
	return all
}

// Good tells that nothing is bad.
func Good(all []Finding) bool {
	return !slices.ContainsFunc(all, func(f Finding) bool { return f.State == Bad })
}

func bad(do, what string, args ...any) Finding {
	return Finding{State: Bad, What: fmt.Sprintf(what, args...), Do: do}
}

func warn(do, what string, args ...any) Finding {
	return Finding{State: Warn, What: fmt.Sprintf(what, args...), Do: do}
}

func fine(what string, args ...any) []Finding {
	return []Finding{{State: OK, What: fmt.Sprintf(what, args...)}}
}

func unknown(what string) []Finding {
	return []Finding{{State: Unknown, What: what}}
}

// or is what was found, or that all is well.
func or(found []Finding, what string, args ...any) []Finding {
	if len(found) > 0 {
		return found
	}
	return fine(what, args...)
}

func fleetCheck(f Facts) []Finding {
	switch {
	case f.Foreign != "":
		return []Finding{warn(asItsUser(f), "%s", f.Foreign)}
	case f.Daemon == 0:
		return []Finding{warn("start it: systemctl start wsgid-fleet, or wsgid-fleet run", "no daemon is running: edits are not followed and dead apps are not restarted")}
	}
	return fine("the daemon runs, pid %d", f.Daemon)
}

// asItsUser tells who does not own the fleet how its owner checks it.
func asItsUser(f Facts) string {
	return "run it as its user" + strings.TrimSuffix(": "+f.AsUser, ": ")
}

func specs(f Facts) []Finding {
	var found []Finding
	for _, fault := range f.Faults {
		if f.Foreign != "" { // its daemon reads them with other rights and another environment
			found = append(found, Finding{State: Unknown, What: fault + ", as this user reads it", Do: asItsUser(f)})
			continue
		}
		found = append(found, bad("wsgid-fleet validate shows the line and what to write", "%s", fault))
	}
	return or(found, "%s, no fault", words.Count(len(f.Apps), "app"))
}

// openFiles: a master has its own limit; the daemon holds the sockets of all apps and
// a few descriptors of each master.
func openFiles(f Facts) []Finding {
	need := int64(256 + 16*len(f.Apps))
	switch {
	case f.OpenFiles < 0:
		return unknown("the limit of open files cannot be read")
	case f.OpenFiles < need && f.OpenFilesHard < need:
		return []Finding{bad(fmt.Sprintf("LimitNOFILE=%d in the unit, or ulimit -Hn as root", max(need, 65536)), "%d open files at most, and %s: %d are needed", f.OpenFilesHard, words.Count(len(f.Apps), "app"), need)}
	case f.OpenFiles < need:
		return []Finding{warn(fmt.Sprintf("LimitNOFILE=%d in the unit, or ulimit -n %d before wsgid-fleet run", max(need, 65536), need), "%d open files (%d at most), and %s: %d are needed", f.OpenFiles, f.OpenFilesHard, words.Count(len(f.Apps), "app"), need)}
	}
	return fine("%d", f.OpenFiles)
}

func processes(f Facts) []Finding {
	need := int64(64 + 8*len(f.Apps))
	switch {
	case f.Processes < 0:
		return unknown("the limit of processes cannot be read")
	case f.Processes < need:
		return []Finding{bad("LimitNPROC= and TasksMax= in the unit, or ulimit -u", "%d processes at most, and %s: %d or so are needed", f.Processes, words.Count(len(f.Apps), "app"), need)}
	}
	return fine("%s", number(f.Processes))
}

// number is a limit for people: the greatest stands for none.
func number(n int64) string {
	if n >= 1<<40 {
		return "no limit"
	}
	return fmt.Sprint(n)
}

func inotify(f Facts) []Finding {
	if f.Watches < 0 || f.Instances < 0 {
		return unknown("the limits of inotify cannot be read")
	}
	var found []Finding
	need := int64(64 + 4*len(f.Apps))
	if f.Watches < need {
		found = append(found, bad(fmt.Sprintf("sysctl -w fs.inotify.max_user_watches=%d, and the same in /etc/sysctl.d/wsgid.conf", max(need, 65536)),
			"%d watches, and %s: %d are needed, and edits are seen late", f.Watches, words.Count(len(f.Apps), "app"), need))
	}
	if f.Instances < 16 {
		found = append(found, bad("sysctl -w fs.inotify.max_user_instances=128, and the same in /etc/sysctl.d/wsgid.conf",
			"%d instances for all programs of a user: edits may be seen late", f.Instances))
	}
	return or(found, "%d watches, %d instances", f.Watches, f.Instances)
}

func somaxconn(f Facts) []Finding {
	switch {
	case f.Somaxconn < 0:
		return unknown("net.core.somaxconn cannot be read")
	case f.Somaxconn < 1024:
		return []Finding{warn("sysctl -w net.core.somaxconn=4096, and the same in /etc/sysctl.d/wsgid.conf", "%d connections may wait at a socket: in a rush more of them wait longer, and at a unix socket they fail at once, which a web server in front answers with 502", f.Somaxconn)}
	}
	return fine("%d", f.Somaxconn)
}

func ports(f Facts) []Finding {
	var found []Finding
	for _, a := range f.Apps {
		for _, listen := range a.Listen {
			for _, l := range f.Listeners {
				if !l.meets(listen) || l.Ours || slices.Contains(a.Masters, l.PID) {
					continue
				}
				who, do := "another process", "find it as root: ss -ltnp, and end it, or change listen in "+a.spec()
				if l.PID > 0 {
					who = fmt.Sprintf("%s (pid %d)", l.Name, l.PID)
					do = fmt.Sprintf("end it (kill %d, or its service), or change listen in %s", l.PID, a.spec())
				}
				if l.PID == 0 && (!f.Root || len(a.Masters) > 0) {
					continue // whose it is cannot be seen: it may be the app's own
				}
				found = append(found, bad(do, "%s of %s is taken by %s", listen, a.title(), who))
				break
			}
		}
	}
	return or(found, "none is taken by another program")
}

// meets tells whether a listener stands where an app wants to listen.
func (l Listener) meets(listen string) bool {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port != l.Port {
		return false
	}
	mine, theirs := net.ParseIP(host), net.ParseIP(l.Host)
	if host == "*" || host == "" || theirs == nil {
		return true
	}
	if mine == nil { // a name: localhost, mostly
		return theirs.IsLoopback() || theirs.IsUnspecified()
	}
	same := (mine.To4() != nil) == (theirs.To4() != nil)
	return mine.Equal(theirs) || same && (mine.IsUnspecified() || theirs.IsUnspecified())
}

func users(f Facts) []Finding {
	var found []Finding
	for _, a := range f.Apps {
		if a.UserError != "" {
			found = append(found, bad("make it, for example: adduser --system --group NAME, or name another in the spec of "+a.Name, "%s", a.UserError))
		}
	}
	return or(found, "each app has its user")
}

func pythons(f Facts) []Finding {
	var found []Finding
	for _, a := range f.Apps {
		if a.PythonError != "" {
			found = append(found, bad("name another with python or virtualenv in the spec of "+a.Name, "%s: %s", a.Name, a.PythonError))
		}
	}
	return or(found, "each app has one that workers can use")
}

func folders(f Facts) []Finding {
	var found []Finding
	for _, a := range f.Apps {
		if a.Closed != "" {
			found = append(found, bad("", "%s: %s", a.Name, a.Closed))
		}
	}
	return or(found, "no folder keeps an app's user from its code")
}

func certificates(f Facts) []Finding {
	var found []Finding
	n := 0
	for _, a := range f.Apps {
		for _, c := range a.Certs {
			n++
			switch {
			case c.Trouble == "":
			case c.Unread:
				found = append(found, Finding{State: Unknown, What: a.title() + ": " + c.Trouble, Do: c.Do})
			case c.Soon:
				found = append(found, warn(c.Do, "%s: %s", a.title(), c.Trouble))
			default:
				found = append(found, bad(c.Do, "%s: %s", a.title(), c.Trouble))
			}
		}
	}
	if n == 0 {
		return fine("no app names one")
	}
	return or(found, "%d, none with a fault", n)
}

// born is before any machine ran this program.
var born = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func clock(f Facts) []Finding {
	switch {
	case f.Clock.Before(born):
		return []Finding{bad("set it: timedatectl set-ntp true", "it says %s: certificates are taken for not yet valid", f.Clock.UTC().Format(time.DateOnly))}
	case f.Unsynced:
		return []Finding{warn("timedatectl set-ntp true, or install chrony", "it is not synchronized: it may be wrong, and certificates and log lines with it")}
	}
	return fine("%s", f.Clock.UTC().Format(time.RFC3339))
}

const (
	littleSpace  = 256 << 20
	littleInodes = 1000
)

func disks(f Facts) []Finding {
	var found []Finding
	for _, d := range f.Disks {
		switch {
		case d.Error != "":
			found = append(found, Finding{State: Unknown, What: fmt.Sprintf("%s (%s): %s", d.Path, d.For, d.Error)})
		case d.ReadOnly:
			found = append(found, bad("mount it writable: mount -o remount,rw", "%s (%s) is read-only", d.Path, d.For))
		case d.Free < littleSpace:
			found = append(found, bad("make room: old logs, wsgid-fleet deploys (deploy.keep), apt clean", "%s (%s) has %d MiB left", d.Path, d.For, d.Free>>20))
		case d.Inodes >= 0 && d.Inodes < littleInodes:
			found = append(found, bad("remove small files: sessions, caches", "%s (%s) has %d inodes left", d.Path, d.For, d.Inodes))
		}
	}
	return or(found, "there is room")
}

func state(f Facts) []Finding {
	var found []Finding
	if f.StateTrouble != "" {
		found = append(found, bad("", "%s", f.StateTrouble))
	}
	for _, s := range f.Stale {
		found = append(found, warn("no harm is done: the next wsgid-fleet run repairs it", "%s", s))
	}
	return or(found, "%s", f.StateDir)
}

func systemd(f Facts) []Finding {
	if !f.Systemd {
		return fine("it is not process 1 here; limits.memory, cpu and tasks have no effect")
	}
	u := f.Unit
	switch {
	case u == nil:
		return unknown("systemctl cannot be asked")
	case u["LoadState"] != "loaded":
		return []Finding{warn("install the package, or the unit of examples/systemd", "there is no unit wsgid-fleet.service: the fleet does not start at boot")}
	case u["ActiveState"] == "failed":
		return []Finding{bad("journalctl -u wsgid-fleet -n 50; then: systemctl restart wsgid-fleet", "wsgid-fleet.service failed (%s)", u["Result"])}
	case !strings.HasPrefix(u["Type"], "notify"):
		return []Finding{bad("Type=notify-reload in the unit, as in examples/systemd", "wsgid-fleet.service is of Type=%s: systemd does not hear whether the fleet is up", u["Type"])}
	case f.Daemon > 0 && u["ActiveState"] != "active" && u["ActiveState"] != "activating" && u["ActiveState"] != "reloading":
		return []Finding{warn("end that one, then: systemctl start wsgid-fleet", "the daemon (pid %d) runs outside of wsgid-fleet.service, which is %s", f.Daemon, u["ActiveState"])}
	case u["UnitFileState"] == "disabled":
		return []Finding{warn("systemctl enable wsgid-fleet", "wsgid-fleet.service is disabled: the fleet does not start at boot")}
	}
	return fine("wsgid-fleet.service is %s", u["ActiveState"])
}

func cgroup(f Facts) []Finding {
	var found []Finding
	for _, a := range f.Apps {
		for _, c := range a.Cgroup {
			if !slices.Contains(f.Cgroup, c) {
				found = append(found, warn("boot with the unified hierarchy (systemd.unified_cgroup_hierarchy=1), or take the limit out of the spec", "app %s has a limit that needs the controller %s, which is not there", a.Name, c))
			}
		}
	}
	if f.Cgroup == nil {
		return or(found, "no unified hierarchy here, and no limit needs it")
	}
	return or(found, "%s", strings.Join(f.Cgroup, " "))
}

func libzmq(f Facts) []Finding {
	if f.ZMQ != "" {
		return fine("%s", f.ZMQ)
	}
	for _, a := range f.Apps {
		if a.Mongrel2 {
			return []Finding{bad("apt install libzmq5", "libzmq.so.5 is not found, and app %s has a mongrel2 socket", a.Name)}
		}
	}
	return fine("not found, and no app has a mongrel2 socket")
}
