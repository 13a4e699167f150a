package fleettest

import "github.com/wsgid-fleet/wsgid-fleet/appspec"

// Spec is a spec of the app blog; each change makes another one of it.
func Spec(change ...func(*appspec.Spec)) *appspec.Spec {
	s := appspec.Default("blog", "/var/wsgid/blog")
	s.WSGIApp = "blog:app"
	s.Sockets.HTTP = []appspec.HTTPSocket{{Listen: "127.0.0.1:8000"}}
	s.Workers.Min, s.Workers.Max = 2, 2
	for _, f := range change {
		f(s)
	}
	return s
}
