package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

// progress shows on a terminal what apps are on their way, one line an app,
// redrawn in place; elsewhere nothing.
type progress struct {
	w     io.Writer
	style style
	order []string
	last  map[string]fleet.Event
	drawn int // lines that are on the screen
}

// maxProgress is the number of apps that are drawn: a block higher than the
// terminal could not be redrawn in place.
const maxProgress = 12

func (c *cli) progress() *progress {
	return &progress{w: c.err, style: c.errStyle(), last: map[string]fleet.Event{}}
}

// event notes one step and redraws. Operators call it from one goroutine.
func (p *progress) event(e fleet.Event) {
	if p.style.width == 0 {
		return
	}
	if _, seen := p.last[e.App]; seen {
		p.order = slices.DeleteFunc(p.order, func(app string) bool { return app == e.App })
	}
	p.order = append(p.order, e.App)
	p.last[e.App] = e
	p.draw()
}

func (p *progress) draw() {
	var b strings.Builder
	b.WriteString(p.erase())
	shown := p.order[max(0, len(p.order)-maxProgress):]
	for _, app := range shown {
		e := p.last[app]
		line := cut(fmt.Sprintf("  %s  %s  %s", app, e.State, oneLine(e.Message)), p.style.width-1)
		b.WriteString(p.style.paint(statePaint(e.State), line) + "\n")
	}
	p.drawn = len(shown)
	_, _ = io.WriteString(p.w, b.String())
}

// done takes the block away; the results follow.
func (p *progress) done() {
	_, _ = io.WriteString(p.w, p.erase())
	p.drawn = 0
}

func (p *progress) erase() string {
	if p.drawn == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\x1b[J", p.drawn)
}
