package fleettest

import "github.com/wsgid-fleet/wsgid-fleet/appspec"

// Spec is a spec of the app blog; each change makes another one of it.
func Spec(change ...func(*appspec.Spec)) *appspec.Spec {
	s := appspec.Default("blog", "/var/wsgid/blog")
	s.File = "/etc/wsgid.d/blog.hcl"
	s.WSGIApp = "blog:app"
	s.Sockets.HTTP = []appspec.HTTPSocket{{Listen: "127.0.0.1:8000"}}
	s.Workers.Min, s.Workers.Max = 2, 2
	for _, f := range change {
		f(s)
	}
	return s
}

// WithCount has the app run that many workers.
func WithCount(n int) func(*appspec.Spec) {
	return func(s *appspec.Spec) { s.Workers.Min, s.Workers.Max = n, n }
}

// WithApp has it serve another application.
func WithApp(app string) func(*appspec.Spec) { return func(s *appspec.Spec) { s.WSGIApp = app } }

// WithRelease has it serve what a deploy brought.
func WithRelease(id, commit, venv string) func(*appspec.Spec) {
	return func(s *appspec.Spec) {
		s.Deploy = &appspec.Deploy{Repository: "file:///r"}
		s.Release, s.Virtualenv = &appspec.Release{ID: id, Commit: commit, Dir: "releases/" + id}, venv
	}
}

// WithListen has it listen there.
func WithListen(l string) func(*appspec.Spec) {
	return func(s *appspec.Spec) { s.Sockets.HTTP[0].Listen = l }
}

// Disabled turns it off.
func Disabled(s *appspec.Spec) { s.Enabled = false }

// Idle has it do without workers while nobody asks.
func Idle(s *appspec.Spec) { s.Workers.Min, s.Workers.Max = 0, 2 }
