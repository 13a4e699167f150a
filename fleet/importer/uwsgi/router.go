package uwsgi

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// router says what the process in front of the workers did, which http and https start:
// it let a client go that no byte came for, the app's work being none of its business
// (2.0.21; findings/uwsgi-http-cuts-after-a-minute.sh).
func (u *reader) router() {
	front := u.last["http"]
	if front == nil {
		front = u.last["https"]
	}
	if front == nil {
		return
	}
	limit := 60
	if o := u.last["http-timeout"]; o != nil {
		limit = facts.LeadingInt(o.value)
	}
	harakiri := u.last["harakiri"]
	if limit <= 0 || harakiri != nil && facts.LeadingInt(harakiri.value) > 0 && facts.LeadingInt(harakiri.value) <= limit {
		return
	}
	u.app.Note(front.at, was(front), fmt.Sprintf("its router closed a connection without an answer that waited for a byte of it for %d s (http-timeout), and the worker went on; here the client gets the answer, unless workers.request_timeout ends the request", limit))
}

// idle lets workers end that have nothing to do: all of them, as uWSGI did, until the
// next request.
func (u *reader) idle(most int) {
	o := u.last["idle"]
	if o == nil || facts.LeadingInt(o.value) <= 0 {
		return
	}
	u.fact("workers.min", o, "0")
	u.fact("workers.max", o, strconv.Itoa(most))
	u.fact("workers.idle_timeout", o, strconv.Itoa(facts.LeadingInt(o.value))+"s")
}

// loaded says that uWSGI loaded the app once and forked its workers from it, unless
// lazy-apps was on (2.0.21): what was made by the load was all workers' then.
func (u *reader) loaded(workers int) {
	if workers > 1 && !u.on("lazy-apps") && !u.on("lazy") {
		u.app.Note(facts.Position{}, "", "uWSGI loaded the app once and forked its workers from it, without lazy-apps; here each loads it, with workers { preload = true } as there: a lock or a counter of multiprocessing that the module makes for all workers needs that")
	}
}

// python2 names a plugin of another Python.
func (u *reader) python2() {
	for _, o := range u.c.options {
		if !strings.HasSuffix(o.key, "plugin") && !strings.HasSuffix(o.key, "plugins") {
			continue
		}
		for name := range strings.FieldsFuncSeq(o.value, func(r rune) bool { return r == ',' || r == ' ' }) {
			if strings.HasPrefix(filepath.Base(name), "python2") {
				u.lose(o, "only Python 3 is run")
			}
		}
	}
}
