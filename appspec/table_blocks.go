package appspec

import (
	"slices"
)

// blocks is the table of blocks.
var blocks = slices.Concat(appBlocks, processBlocks, scheduleBlocks, backendBlocks, deployBlocks)

var appBlocks = []Block{
	{Path: "tls", NoDefaults: true,
		Doc:  "the certificate of the app's `hosts` for clients that come by TLS at the `gate`; the files are read again when they change",
		open: func(s *Spec, _ int) { s.TLS = &TLS{} }},
	{Path: "sockets", NoDefaults: true, Doc: "what the app listens on: at least one socket"},
	{Path: "sockets.http", Many: true, NoDefaults: true, Doc: "an HTTP listener",
		open:  func(s *Spec, _ int) { s.Sockets.HTTP = append(s.Sockets.HTTP, HTTPSocket{}) },
		clear: func(s *Spec) { s.Sockets.HTTP = nil }},
	{Path: "sockets.http.tls", NoDefaults: true, Doc: "TLS on that listener, HTTP/2 comes with it; the files are read again when they change",
		open: func(s *Spec, i int) { s.Sockets.HTTP[i].TLS = &TLS{} }},
	{Path: "sockets.mongrel2", Many: true, NoDefaults: true, Doc: "one handler of a mongrel2 server",
		open:  func(s *Spec, _ int) { s.Sockets.Mongrel2 = append(s.Sockets.Mongrel2, Mongrel2Socket{}) },
		clear: func(s *Spec) { s.Sockets.Mongrel2 = nil }},
	{Path: "workers", Doc: "how many workers, and their limits in time"},
	{Path: "django", Doc: "for a Django app",
		open: func(s *Spec, _ int) {
			if s.Django == nil {
				s.Django = &Django{}
			}
		}},
	{Path: "request", Doc: "limits of one HTTP request"},
	{Path: "static", Many: true, Doc: "files that are answered without Python, any number of blocks; what is not there goes on to the app",
		open:  func(s *Spec, _ int) { s.Static = append(s.Static, Static{}) },
		clear: func(s *Spec) { s.Static = nil }},
	{Path: "health", Doc: "a question asked of the app through each worker; failing workers are replaced",
		open: func(s *Spec, _ int) {
			if s.Health == nil {
				s.Health = &Health{}
			}
		}},
	{Path: "restart", Doc: "back-off of workers that cannot start"},
	{Path: "limits", Doc: "what the workers may use"},
	{Path: "log", Doc: "where the app's output goes"},
	{Path: "environment", Many: true, Named: true, NoDefaults: true,
		Doc: "an environment of the app, which becomes an app of its own: see *Environments*; takes every attribute and block of an app but itself"},
}
