package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Order is one deploy, or rollback, of an app on all of its hosts.
type Order struct {
	ID    string    `json:"id"` // as that of a deploy in a logbook
	App   string    `json:"app"`
	Ref   string    `json:"ref,omitempty"`
	Back  bool      `json:"back,omitempty"`
	To    string    `json:"to,omitempty"` // the deploy whose release a rollback goes to
	By    string    `json:"by,omitempty"`
	At    time.Time `json:"at"`
	Asker string    `json:"asker,omitempty"` // by which who asked finds it again
	// Hosts in their turn. The first one resolves the commit for all of them, and runs
	// what runs once.
	Hosts []string `json:"hosts"`
}

// PartState is how far a host has come with an order.
type PartState string

// The states of a part.
const (
	Preparing PartState = "preparing" // it makes the release; nothing that serves was touched
	Prepared  PartState = "prepared"  // it waits for its turn
	Rolling   PartState = "rolling"   // it brings the release to serve
	Done      PartState = "done"
	Failed    PartState = "failed"
)

// Part is how far one host has come with an order.
type Part struct {
	State  PartState   `json:"state"`
	Commit string      `json:"commit,omitempty"`
	Reason string      `json:"reason,omitempty"` // of a failure, or what is left to be told
	Late   bool        `json:"late,omitempty"`   // it got the app when the order was over
	Stages []PartStage `json:"stages,omitempty"`
}

// PartStage is a stage of a deploy on one host.
type PartStage struct {
	Name   string        `json:"name"`
	Title  string        `json:"title"`
	Result string        `json:"result"` // running, ok, failed, interrupted
	Took   time.Duration `json:"took,omitempty"`
	Note   string        `json:"note,omitempty"`
	Output string        `json:"output,omitempty"` // the end of what a failed one printed
}

// Ended tells whether nothing follows any more.
func (p Part) Ended() bool { return p.State == Done || p.State == Failed }

// Deployment is an order with all that is known of it.
type Deployment struct {
	Order Order           `json:"order"`
	Stop  bool            `json:"stop,omitempty"` // it is to end where nothing is touched yet
	Parts map[string]Part `json:"parts"`          // by host
}

// Commit is what the order deploys; empty: that is not known yet.
func (d *Deployment) Commit() string {
	if len(d.Order.Hosts) == 0 {
		return ""
	}
	return d.Parts[d.Order.Hosts[0]].Commit
}

// Over tells whether no host works at it any more. lost says why a host will never
// answer; empty: it may.
func (d *Deployment) Over(lost func(host string) string) bool {
	for _, h := range d.Order.Hosts {
		if !d.Parts[h].Ended() && lost(h) == "" {
			return false
		}
	}
	return true
}

// Succeeded tells whether the release serves on all hosts of the order.
func (d *Deployment) Succeeded() bool {
	return !slices.ContainsFunc(d.Order.Hosts, func(h string) bool { return d.Parts[h].State != Done })
}

// Outcome says of an order that is over which hosts have the release and which not, and
// why; empty: all have it.
func (d *Deployment) Outcome(lost func(host string) string) string {
	if d.Succeeded() {
		return ""
	}
	var has, first, rest []string
	if d.Stop {
		first = append(first, "it was asked to stop")
	}
	for _, h := range d.Order.Hosts {
		switch p := d.Parts[h]; {
		case p.State == Done:
			has = append(has, h)
		case p.Ended() && !p.followed():
			first = append(first, fmt.Sprintf("host %s has failed: %s", h, p.Reason))
		case p.Ended():
			rest = append(rest, h)
		default:
			first = append(first, fmt.Sprintf("host %s does not answer: %s", h, lost(h)))
		}
	}
	text := strings.Join(first, "; ")
	if len(has) > 0 {
		text += fmt.Sprintf("; the new release is serving on %s already", strings.Join(has, ", "))
	}
	if len(rest) > 0 {
		text += fmt.Sprintf("; the running app was not changed on %s", strings.Join(rest, ", "))
	}
	return strings.TrimPrefix(text, "; ")
}

// waitedFor begins the reason of a host that stopped because of another one.
const waitedFor = "the deploy has ended on "

// Moment is where a host may have to wait for others.
type Moment struct {
	Rollout bool   // before the release begins to serve
	Once    string // before this stage, which one host runs for all
}

// Turn says whether a host may go on at a moment: what it waits for, empty: it may go
// on. An error says that it never may. It is pure.
//
// All hosts have their release before anything runs once; what runs once has run
// before the first host begins to serve the release; from then on one host begins when
// the one before it has ended well.
func (d *Deployment) Turn(host string, at Moment, lost func(host string) string) (waits string, err error) {
	if d.Stop {
		return "", fmt.Errorf("%sall hosts: it was asked to stop", waitedFor)
	}
	bad := ""
	for _, h := range d.Order.Hosts {
		if p := d.Parts[h]; h != host && p.State == Failed && (bad == "" || !p.followed()) {
			if bad = h; !p.followed() {
				break
			}
		}
	}
	if bad != "" {
		why, _, _ := strings.Cut(d.Parts[bad].Reason, "\n")
		why, _, _ = strings.Cut(why, "; ")
		return "", fmt.Errorf("%s%s: %s", waitedFor, bad, why)
	}
	mine := slices.Index(d.Order.Hosts, host)
	for i, h := range d.Order.Hosts {
		p := d.Parts[h]
		if h == host || p.State == Done {
			continue
		}
		need := false
		switch {
		case at.Once != "" && mine != 0:
			need = i == 0 && !p.ran(at.Once)
		case mine == 0:
			need = p.State != Prepared && p.State != Rolling
		case at.Rollout:
			need = i < mine
		default:
			need = i == 0 && p.Commit == ""
		}
		if !need {
			continue
		}
		if why := lost(h); why != "" {
			return "", fmt.Errorf("%s%s, which does not answer: %s", waitedFor, h, why)
		}
		if waits == "" {
			waits = h
		}
	}
	return waits, nil
}

// followed tells whether a part has failed because of another one.
func (p Part) followed() bool {
	return strings.HasPrefix(p.Reason, waitedFor) || strings.Contains(p.Reason, ": "+waitedFor)
}

// ran tells whether a stage has ended well.
func (p Part) ran(stage string) bool {
	return slices.ContainsFunc(p.Stages, func(s PartStage) bool { return s.Name == stage && s.Result == "ok" })
}

// Task is the part of this host in an order, for who carries it out.
type Task struct {
	Order Order
	First bool // it resolves the commit, and runs what runs once
	// Late says that the other hosts have it already: there is nobody to wait for.
	Late bool
	// Resumed says that an earlier process has begun it.
	Resumed bool
	// Commit waits until it is known what to deploy. Not for the first host.
	Commit func(ctx context.Context) (string, error)
	// Turn waits until this host may go on at a moment. Where it is about what runs
	// once, elsewhere says where that has run; empty: it is to run here.
	Turn func(ctx context.Context, at Moment, commit string) (elsewhere string, err error)
	// Tell says how far it has come.
	Tell func(ctx context.Context, commit string, s PartStage)
	// End says how it ended; reason is empty where all is well.
	End func(ctx context.Context, state PartState, commit, reason string)
}

// News is a stage of an order that has begun or ended on a host.
type News struct {
	Order string
	Host  string
	Stage PartStage
}

// Fresh are the stages that parts tell and earlier ones have not, host by host.
func Fresh(was, is *Deployment) (news []News) {
	for _, h := range is.Order.Hosts {
		var before []PartStage
		if was != nil && was.Order.ID == is.Order.ID {
			before = was.Parts[h].Stages
		}
		for i, s := range is.Parts[h].Stages {
			known := i < len(before)
			if ended := s.Result != "running"; !known && ended {
				begin := s
				begin.Result, begin.Took, begin.Note, begin.Output = "running", 0, "", ""
				news = append(news, News{is.Order.ID, h, begin}, News{is.Order.ID, h, s})
			} else if !known || before[i].Result != s.Result {
				news = append(news, News{is.Order.ID, h, s})
			}
		}
	}
	return news
}
