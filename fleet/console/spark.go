package console

import (
	"strconv"
	"time"
)

const (
	// sparkPoints is how many looks a sparkline goes back.
	sparkPoints = 60
	// sparkGap is how long nobody may have looked for it to go on.
	sparkGap = 3 * maxPulse
)

// sparks are the requests a second of the last looks, for the small lines of the fleet's
// table. Only apps that had a request in that time have an entry.
type sparks struct {
	at    time.Time // of the last look
	looks int       // that there have been without a gap, sparkPoints at most
	apps  map[string]*spark
}

type spark struct {
	rates [sparkPoints]float32 // the newest last
	rest  int                  // looks since the last one that was not 0
}

// next begins another look.
func (s *sparks) next(now time.Time) {
	if s.apps == nil || now.Sub(s.at) > sparkGap {
		*s = sparks{apps: map[string]*spark{}}
	}
	s.at, s.looks = now, min(s.looks+1, sparkPoints)
}

// add notes what an app did at this look, and returns its line; empty: there is none.
func (s *sparks) add(app string, rate float64) string {
	p := s.apps[app]
	switch {
	case p == nil && rate == 0:
		return ""
	case p == nil:
		p = &spark{}
		s.apps[app] = p
	}
	copy(p.rates[:], p.rates[1:])
	p.rates[sparkPoints-1] = float32(rate)
	p.rest++
	if rate > 0 {
		p.rest = 0
	}
	if p.rest >= sparkPoints {
		delete(s.apps, app)
		return ""
	}
	return p.path(s.looks)
}

// keep forgets apps that are no more.
func (s *sparks) keep(known func(app string) bool) {
	for app := range s.apps {
		if !known(app) {
			delete(s.apps, app)
		}
	}
}

// path draws the last looks, one a unit of the width, from the right; its own highest
// value is at the top.
func (p *spark) path(looks int) string {
	var top float32
	for _, v := range p.rates[sparkPoints-looks:] {
		top = max(top, v)
	}
	if top == 0 || looks < 2 {
		return ""
	}
	b := make([]byte, 0, 8*looks)
	for x := sparkPoints - looks; x < sparkPoints; x++ {
		b = append(b, "ML"[min(x-sparkPoints+looks, 1)])
		b = strconv.AppendInt(b, int64(x), 10)
		b = append(b, ' ')
		b = strconv.AppendInt(b, int64(15-14*p.rates[x]/top), 10)
	}
	return string(b)
}
