package fleet

import (
	"fmt"
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

// urls are where an app is reached, as far as its spec says.
func urls(spec *appspec.Spec) []string {
	var out []string
	for _, s := range spec.Sockets.HTTP {
		if s.Adopts {
			continue
		}
		switch scheme, host := "http", s.Listen; {
		case strings.HasPrefix(s.Listen, "unix:"), strings.HasPrefix(s.Listen, "systemd:"):
			out = append(out, s.Listen)
		default:
			if s.TLS != nil {
				scheme = "https"
			}
			for _, all := range []string{"0.0.0.0:", "[::]:", "*:"} {
				if port, ok := strings.CutPrefix(host, all); ok {
					host = "localhost:" + port
				}
			}
			out = append(out, scheme+"://"+host)
		}
	}
	for _, h := range spec.Hosts {
		if !strings.HasPrefix(h, "*") {
			out = append(out, "http://"+h)
		}
	}
	for _, s := range spec.Sockets.Mongrel2 {
		out = append(out, "the mongrel2 server at "+s.Recv)
	}
	return out
}

func shortly(d time.Duration) time.Duration {
	if d > 10*time.Second {
		return d.Round(time.Second)
	}
	return d.Round(10 * time.Millisecond)
}
