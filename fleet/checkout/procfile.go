package checkout

import (
	"path"
	"regexp"
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
	"--master": true, "-M": true, "--die-on-term": true, "--enable-threads": true, "--vacuum": true, "--lazy-apps": true, "--need-app": true,
}

// parseCommand reads a command line that serves an application by a server of the
// Python world; ok is false where it is none that is known.
func parseCommand(command string) (s served, ok bool) {
	words := shellwords.Shell(command)
	at := -1
	for i, w := range words {
		switch base := path.Base(w); base {
		case "gunicorn", "waitress-serve", "uwsgi", "mod_wsgi-express":
			s.server, at = base, i
		case "uvicorn", "hypercorn", "daphne":
			s.server, s.asgi, at = base, true, i
		default:
			continue
		}
		break
	}
	if at < 0 {
		return s, false
	}
	call := ""
	for i := at + 1; i < len(words); i++ {
		w := words[i]
		if w == "&&" || w == ";" || w == "|" {
			break
		}
		if !strings.HasPrefix(w, "-") {
			if s.app == "" && callable().MatchString(w) && w != "start-server" {
				s.app = w
			}
			continue
		}
		name, value, has := strings.Cut(w, "=")
		if name == "--call" {
			call = "()"
			continue
		}
		if !has && !bare[name] && i+1 < len(words) {
			if short := len(w) > 2 && w[1] != '-'; short { // -w4
				name, value = w[:2], w[2:]
			} else {
				i++
				value = words[i]
			}
		}
		switch name {
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
	if s.app != "" && !strings.Contains(s.app, ":") {
		s.app += ":application"
	}
	if call != "" && s.app != "" && !strings.HasSuffix(s.app, ")") {
		s.app += call
	}
	return s, s.asgi || callable().MatchString(s.app)
}
