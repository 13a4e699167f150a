package pool

import (
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"
)

// What each event makes of a worker in each state: the next state, "." where it stays,
// "!" where the event cannot come.
const lifeTable = `
           load      reject    pass     admit    outdate    retire    kill    exit   drop
starting   checking  unsuited  !        !        !          killed    killed  ended  gone
unsuited   .         .         !        !        !          killed    killed  ended  gone
checking   .         .         standby  !        !          killed    killed  ended  gone
standby    .         .         .        serving  !          draining  killed  ended  gone
serving    .         .         .        !        replacing  draining  killed  ended  gone
replacing  .         .         .        !        .          draining  killed  ended  gone
draining   .         .         .        !        .          .         killed  ended  gone
killed     .         .         .        !        .          .         .       ended  gone
ended      .         .         .        !        .          .         .       .      gone
gone       .         .         .        !        .          .         .       !      !
`

func phaseNamed(t *testing.T, name string) phase {
	t.Helper()
	for p := range phases {
		if p.String() == name {
			return p
		}
	}
	t.Fatalf("no state is called %q", name)
	return 0
}

func eventNamed(t *testing.T, name string) event {
	t.Helper()
	for e := range events {
		if e.String() == name {
			return e
		}
	}
	t.Fatalf("no event is called %q", name)
	return 0
}

func TestLifecycle(t *testing.T) {
	rows := strings.Split(strings.TrimSpace(lifeTable), "\n")
	columns := strings.Fields(rows[0])
	if len(rows) != int(phases)+1 || len(columns) != int(events) {
		t.Fatalf("the table has %d states and %d events, there are %d and %d", len(rows)-1, len(columns), phases, events)
	}
	for _, row := range rows[1:] {
		cells := strings.Fields(row)
		p := phaseNamed(t, cells[0])
		for i, want := range cells[1:] {
			e := eventNamed(t, columns[i])
			got := "!"
			if possible(p, e) {
				l := lifecycle{now: p, was: p}
				moved := l.on(e)
				if got = l.now.String(); l.now == p {
					got = "."
				}
				if moved != (l.now != p) {
					t.Errorf("%s in state %s: moved is %v", e, p, moved)
				}
			}
			if got != want {
				t.Errorf("%s in state %s: %s, want %s", e, p, got, want)
			}
		}
	}
}

// What the end of a worker means, by all that has come before it.
func TestEndOfALife(t *testing.T) {
	for story, want := range map[string]string{
		"exit":                                   "starting", // failed to start
		"kill exit":                              "starting", // start_timeout
		"load exit":                              "checking",
		"load kill exit":                         "checking", // its health check
		"reject exit":                            "unsuited",
		"reject kill exit":                       "unsuited",
		"reject retire exit":                     "draining",
		"retire exit":                            "draining", // scaled down before it was ready
		"kill retire exit":                       "draining",
		"load pass exit":                         "standby",
		"load pass kill exit":                    "standby",
		"load pass retire exit":                  "draining", // the rollout was given up
		"load pass admit exit":                   "serving",  // died
		"load pass admit kill exit":              "serving",
		"load pass admit outdate exit":           "replacing",
		"load pass admit outdate kill exit":      "replacing",
		"load pass admit outdate retire exit":    "draining",
		"load pass admit retire kill exit":       "draining", // stop_timeout, request_timeout
		"load pass admit kill retire exit":       "draining",
		"load pass admit exit retire exit":       "draining", // while its template had not told yet
		"load pass admit kill exit drop":         "serving",
		"load load pass pass admit load reject":  "serving", // a worker may send what it likes
		"retire load pass exit":                  "draining",
		"kill load pass outdate exit":            "starting",
		"load pass admit retire outdate pass":    "draining",
		"load pass admit outdate outdate retire": "draining",
	} {
		var l lifecycle
		for name := range strings.FieldsSeq(story) {
			e := eventNamed(t, name)
			if !possible(l.now, e) {
				t.Errorf("%s: %s cannot come in state %s", story, e, l.now)
			}
			l.on(e)
		}
		if got := l.was.String(); got != want {
			t.Errorf("%s: its end is that of one that was %s, want %s", story, got, want)
		}
	}
}

// Nothing but a worker that serves is given requests, and what is not wanted is never
// counted on.
func TestLifecycleAsThePoolSeesIt(t *testing.T) {
	for p := range phases {
		l := lifecycle{now: p, was: p}
		if got, want := l.serves(), p == phaseServing || p == phaseReplacing; got != want {
			t.Errorf("%s: serves is %v", p, got)
		}
		if possible(p, eventRetire) {
			if l.on(eventRetire); l.wanted() || l.serves() || l.active() && p < phaseKilled {
				t.Errorf("%s, retired: wanted %v, serves %v, active %v", p, l.wanted(), l.serves(), l.active())
			}
		}
	}
}

// The picture in ARCHITECTURE.md has the moves of the table, and no other.
func TestLifecycleIsPictured(t *testing.T) {
	page, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, picture, _ := strings.Cut(string(page), "stateDiagram-v2\n")
	picture, _, found := strings.Cut(picture, "```")
	if !found {
		t.Fatal("ARCHITECTURE.md has no state diagram")
	}
	arrow := regexp.MustCompile(`(?m)^\s*(\w+) --> (\w+): ([\w, ]+)$`)
	group := regexp.MustCompile(`(?s)state (\w+) \{(.*?)\n\s*\}`).FindStringSubmatch(picture)
	if group == nil {
		t.Fatal("the diagram has no group of states")
	}
	members := map[string]bool{}
	for _, m := range arrow.FindAllStringSubmatch(group[2], -1) {
		members[m[1]], members[m[2]] = true, true
	}
	drawn := map[string]bool{}
	for _, m := range arrow.FindAllStringSubmatch(picture, -1) {
		from := map[string]bool{m[1]: true}
		if m[1] == group[1] {
			from = members
		}
		for f := range from {
			for e := range strings.SplitSeq(m[3], ", ") {
				drawn[f+" "+e+" "+m[2]] = true
			}
		}
	}
	actual := map[string]bool{}
	for p := range phases {
		for e := range events {
			if next := moves[p][e]; next != phaseStarting {
				actual[p.String()+" "+e.String()+" "+next.String()] = true
			}
		}
	}
	for move := range maps.Keys(actual) {
		if !drawn[move] {
			t.Errorf("ARCHITECTURE.md does not draw: %s", move)
		}
	}
	for move := range maps.Keys(drawn) {
		if !actual[move] {
			t.Errorf("ARCHITECTURE.md draws what is not: %s", move)
		}
	}
}
