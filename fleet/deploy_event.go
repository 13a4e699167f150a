package fleet

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
)

// stageEvent is a stage as those who follow see it.
func stageEvent(app string, now time.Time, t deploy.Told) Event {
	s := *t.Stage
	ev := Event{At: now, App: app, State: s.Result, Message: s.Title, Stage: &s, Deploy: t.Entry.ID}
	switch {
	case s.Ended.IsZero() && t.Last >= time.Second:
		ev.Message += fmt.Sprintf(", it took %s last time", t.Last.Round(time.Second))
	case s.Ended.IsZero():
	case s.Result == deploy.ResultOK:
		ev.Message = fmt.Sprintf("%s: completed in %s", s.Name, shortly(s.Took()))
		if s.Note != "" {
			ev.Message += " (" + s.Note + ")"
		}
	default:
		ev.Message = s.Name + ": " + s.Result
	}
	return ev
}

// urls are where an app is reached, as far as its spec says, and that of the gate; nil:
// there is none. A listener on all addresses is reached by the name that the app
// answers to, where health.host says one.
func urls(spec, gate *appspec.Spec) []string {
	name := "localhost"
	if spec.Health != nil && spec.Health.Host != "" {
		name = spec.Health.Host
	}
	var out []string
	if gate != nil {
		for _, host := range spec.Hosts {
			if strings.HasPrefix(host, "*") {
				continue // any of many
			}
			for _, s := range gate.Sockets.HTTP {
				if strings.HasPrefix(s.Listen, "unix:") || strings.HasPrefix(s.Listen, "systemd:") {
					continue // behind a proxy, ours, or on a port that systemd knows
				}
				if _, port, err := net.SplitHostPort(s.Listen); err == nil {
					out = append(out, urlOf(s, host+":"+port))
				}
			}
		}
	}
	for _, s := range spec.Sockets.HTTP {
		switch {
		case s.Adopts: // its connections come by the gate
		case strings.HasPrefix(s.Listen, "unix:"), strings.HasPrefix(s.Listen, "systemd:"):
			out = append(out, s.Listen)
		default:
			address := s.Listen
			for _, all := range []string{"0.0.0.0:", "[::]:", "*:"} {
				if port, ok := strings.CutPrefix(address, all); ok {
					address = name + ":" + port
				}
			}
			out = append(out, urlOf(s, address))
		}
	}
	for _, s := range spec.Sockets.Mongrel2 {
		out = append(out, "the mongrel2 server at "+s.Recv)
	}
	return slices.Compact(out)
}

// unreached says why nobody reaches an app, where it has names alone and there is no gate.
func unreached(spec, gate *appspec.Spec) string {
	if gate != nil || spec.Gate != nil || !spec.Enabled || len(spec.Hosts) == 0 || len(urls(spec, nil)) > 0 {
		return ""
	}
	return "it is not reached: it has hosts and no listener of its own, and the directory has no gate, by which connections arrive by name; write a gate block beside the apps (wsgid-fleet validate shows one), or a listener of its own"
}

// reached adds to a result where the app is reached now.
func (r *Result) reached(spec, gate *appspec.Spec) {
	r.URLs = urls(spec, gate)
	if why := unreached(spec, gate); why != "" {
		r.Warnings = append(r.Warnings, why)
	}
}

// urlOf is how people write an address of a listener.
func urlOf(s appspec.HTTPSocket, address string) string {
	if s.TLS != nil {
		return "https://" + strings.TrimSuffix(address, ":443")
	}
	return "http://" + strings.TrimSuffix(address, ":80")
}

func shortly(d time.Duration) time.Duration {
	if d > 10*time.Second {
		return d.Round(time.Second)
	}
	return d.Round(10 * time.Millisecond)
}
