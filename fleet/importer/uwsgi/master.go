package uwsgi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// bringsMaster are options that start uWSGI's master, whatever their value is, where no
// line says master = false.
var bringsMaster = strings.Fields(`attach-daemon attach-daemon2 smart-attach-daemon smart-attach-daemon2
	cron cron2 unique-cron legion-cron cheap cheaper cheaper-algo cheaper-initial cheaper-overload cheaper-step idle
	evil-reload-on-as evil-reload-on-rss check-interval forkbomb-delay fs-reload log-master log-maxsize logger req-logger
	master-fifo metric mule mules py-auto-reload py-autoreload python-auto-reload python-autoreload py-tracebacker
	snmp spooler spooler-external stats stats-server stats-no-cores stats-no-metrics subscribe-to subscribe2 threaded-logger timer
	rbtimer touch-chain-reload touch-exec touch-logreopen touch-logrotate touch-mules-reload touch-reload touch-signal touch-workers-reload`)

// endsWorkers are limits at which a worker ends. It is the master that starts another one.
var endsWorkers = []string{"max-requests", "reload-on-rss", "harakiri"}

// masters are options of which nothing is done without a master.
var masters = []string{"max-worker-lifetime", "cheaper", "idle", "cron", "attach-daemon"}

// hasMaster tells whether uWSGI ran with its master.
func (u *reader) hasMaster() bool {
	if u.last["master"] != nil {
		return u.on("master")
	}
	return slices.ContainsFunc(u.c.options, func(o *option) bool { return slices.Contains(bringsMaster, o.key) })
}

// withoutMaster says of what is carried over what uWSGI did where it ran without its master.
func (u *reader) withoutMaster() {
	if u.hasMaster() {
		return
	}
	for _, key := range endsWorkers {
		if o := u.last[key]; o == nil || facts.LeadingInt(o.value) <= 0 {
			continue
		} else if o.key == "evil-reload-on-rss" {
			u.app.Note(o.at, was(o), nothingDone)
		} else {
			u.app.Note(o.at, was(o), "without its master (master = true) uWSGI started no other worker for one that ended so, and the app ended with its last worker; here another one is started")
		}
	}
	for _, key := range masters {
		for _, o := range u.all[key] {
			u.app.Note(o.at, was(o), nothingDone)
		}
	}
}

const nothingDone = "without its master uWSGI did nothing of it; here it is done: delete it if that is not wanted"

// youngest says from which age on uWSGI replaces a worker that has served max-requests, or
// has grown past reload-on-rss: 10 s where nothing is written, not a minute as its pages
// say (2.0.21; findings/uwsgi-max-requests-waits-for-an-age.sh). Here it is replaced at
// once, for a busy app much more often.
func (u *reader) youngest() string {
	age := 10
	if o := u.last["min-worker-lifetime"]; o != nil {
		age = facts.LeadingInt(o.value)
	}
	if age <= 0 {
		return ""
	}
	return fmt.Sprintf("; uWSGI did it to workers older than %d s only", age)
}
