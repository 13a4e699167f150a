package httpserver

import (
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/static"
)

// staticFiles is what the loop needs to answer requests for static files. It is
// there only while the spec has static blocks.
type staticFiles struct {
	site *static.Site
	buf  []byte       // a small body, until it is sent
	q    static.Query // of the request at hand
	note applog.Note  // the same
}

// Site is what static files are answered from; nil: the app has no static blocks.
func (s *Server) Site() *static.Site {
	if s.static == nil {
		return nil
	}
	return s.static.site
}

// UseSite has static files answered from another site from now on; nil: from none.
func (s *Server) UseSite(site *static.Site) {
	switch {
	case site == nil:
		s.static = nil
	case s.static == nil:
		s.static = &staticFiles{site: site}
	default:
		s.static.site = site
	}
}
