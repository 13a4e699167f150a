package checkout

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// served is what a line of a Procfile says of the application.
type served struct {
	server  string
	app     string // module:attr
	chdir   string
	workers string
	threads string
	timeout string // seconds
	asgi    bool
	call    bool // app is what makes the application
}

var callable = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z_][\w.]*(:[A-Za-z_][\w.]*(\(\))?)?$`)
})

// webLine is the command of the process web of a Procfile.
func webLine(text string) string {
	for line := range strings.SplitSeq(text, "\n") {
		if command, ok := strings.CutPrefix(strings.TrimSpace(line), "web:"); ok {
			return strings.TrimSpace(command)
		}
	}
	return ""
}

// flags of servers that take no value.
var bare = map[string]bool{
	"--reload": true, "--preload": true, "--daemon": true, "-D": true, "--check-config": true, "--capture-output": true,
	"--proxy-protocol": true, "--no-sendfile": true, "--enable-stdio-inheritance": true, "-R": true, "--spew": true,
	"--master": true, "-M": true, "--die-on-term": true, "--enable-threads": true, "--vacuum": true, "--lazy-apps": true, "--need-app": true, "--call": true,
}

// servers are those that are known, and which of them serve ASGI.
var servers = map[string]bool{
	"gunicorn": false, "waitress-serve": false, "uwsgi": false, "mod_wsgi-express": false,
	"uvicorn": true, "hypercorn": true, "daphne": true,
}

// parseCommand reads a command line that serves an application by a server of the
// Python world; ok is false where it is none that is known.
func parseCommand(command string) (s served, ok bool) {
	words := shellwords.Shell(command)
	at := slices.IndexFunc(words, func(w string) bool {
		_, known := servers[path.Base(w)]
		return known
	})
	if at < 0 {
		return s, false
	}
	s.server = path.Base(words[at])
	s.asgi = servers[s.server]
	s.read(words[at+1:])
	if s.app != "" && !strings.Contains(s.app, ":") {
		s.app += ":application"
	}
	if s.call && s.app != "" && !strings.HasSuffix(s.app, ")") {
		s.app += "()"
	}
	return s, s.asgi || callable().MatchString(s.app)
}

// read reads the arguments of the server, up to the next command.
func (s *served) read(words []string) {
	for i := 0; i < len(words); i++ {
		w := words[i]
		if w == "&&" || w == ";" || w == "|" {
			return
		}
		if !strings.HasPrefix(w, "-") {
			if s.app == "" && callable().MatchString(w) && w != "start-server" {
				s.app = w
			}
			continue
		}
		name, value, has := strings.Cut(w, "=")
		switch {
		case has || bare[name]:
		case len(w) > 2 && w[1] != '-': // -w4
			name, value = w[:2], w[2:]
		case i+1 < len(words):
			i++
			value = words[i]
		}
		s.option(name, value)
	}
}

func (s *served) option(name, value string) {
	switch name {
	case "--call":
		s.call = true
	case "-w", "--workers":
		if s.server == "uwsgi" {
			s.app = value
		} else {
			s.workers = value
		}
	case "--module", "--wsgi":
		s.app = value
	case "-p", "--processes":
		s.workers = value
	case "--threads":
		s.threads = value
	case "-t", "--timeout":
		s.timeout = value
	case "--chdir":
		s.chdir = value
	case "-k", "--worker-class":
		s.asgi = s.asgi || strings.Contains(strings.ToLower(value), "uvicorn") || strings.Contains(value, "asgi")
	}
}
