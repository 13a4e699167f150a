package gate

import (
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// place is a listener as its connections know it; it outlives changes of Config.
type place struct {
	name string
	ListenerConfig
}

// place is what connections of a listener go by.
func (s *Server) place(name string) *place {
	p := s.places[name]
	if p == nil {
		p = &place{name: name, ListenerConfig: s.config.Listeners[name]}
		s.places[name] = p
	}
	return p
}

// placeOf is the listener that a connection came to, as far as its address tells.
func (s *Server) placeOf(fd int) *place {
	here := evloop.Local(fd)
	if !here.IsValid() {
		path := pathOf(fd)
		for _, ln := range s.listeners {
			if path != "" && !ln.back && pathOf(ln.fd) == path {
				return s.place(ln.name)
			}
		}
		return s.place("")
	}
	best := ""
	for _, ln := range s.listeners {
		there := evloop.Local(ln.fd)
		if !there.IsValid() || ln.back || there.Port() != here.Port() {
			continue
		}
		if there.Addr() == here.Addr() {
			return s.place(ln.name)
		}
		if there.Addr().IsUnspecified() {
			best = ln.name
		}
	}
	return s.place(best)
}

// pathOf is the path of a unix socket; empty: it has none.
func pathOf(fd int) string {
	sa, err := unix.Getsockname(fd)
	if a, ok := sa.(*unix.SockaddrUnix); ok && err == nil {
		return a.Name
	}
	return ""
}
