package checkout

import (
	"regexp"
	"strings"
	"sync"
)

// definition is a name that a module defines at its top, as its text says.
type definition struct {
	name    string
	line    int
	factory bool // a function that makes the application, without arguments
	known   bool // made by a framework, or taking environ and start_response
	asgi    bool
	why     string
}

func lazily(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

var (
	assigned = lazily(`^(\w+)\s*(?::[^=]+)?=\s*([^=].*)$`)
	function = lazily(`^(async\s+)?def\s+(\w+)\s*\(([^)]*)\)?`)
	imported = lazily(`^from\s+([\w.]+)\s+import\s+(.*)$`)
	wsgiCall = lazily(`^(?:[\w.]+\.)?(Flask|Bottle|default_app|API|App|get_wsgi_application|make_wsgi_app|WSGIApplication|make_app|create_app|build_app|get_app)\s*\(`)
	asgiCall = lazily(`^(?:[\w.]+\.)?(FastAPI|Starlette|Quart|Sanic|Litestar|get_asgi_application|ASGIApp)\s*\(`)
	otherApp = lazily(`^(?:[\w.]+\.)?(Typer|Celery|QApplication|Dash|click\.\w+)\s*\(`)
)

var factoryNames = map[string]bool{"create_app": true, "make_app": true, "build_app": true, "get_app": true, "create_application": true, "make_application": true}

// definitions reads what may be an application.
func definitions(source string) (found []definition) {
	for i, line := range strings.Split(withoutStrings(source), "\n") {
		if line == "" || strings.TrimLeft(line, " \t") != line {
			continue
		}
		d := definition{line: i + 1}
		if m := function().FindStringSubmatch(line); m != nil {
			d.name = m[2]
			params := strings.Split(m[3], ",")
			switch {
			case m[1] != "":
				d.asgi = d.name == "app" || d.name == "application"
				if !d.asgi {
					continue
				}
			case factoryNames[d.name]:
				d.factory = needsNothing(params)
				d.why = "a function that makes an application"
				if !d.factory {
					continue
				}
			case len(params) == 2 && strings.Contains(m[3], "start_response"):
				d.known, d.why = true, "a function of environ and start_response"
			case len(params) == 2 && d.name == "application":
				// The name and the number say it, whatever the two are called.
				d.known, d.why = true, "a function of two arguments"
			default:
				continue
			}
		} else if m := assigned().FindStringSubmatch(line); m != nil {
			d.name = m[1]
			value := strings.TrimSpace(m[2])
			switch {
			case asgiCall().MatchString(value):
				d.asgi = true
			case otherApp().MatchString(value):
				continue
			case wsgiCall().MatchString(value):
				d.known, d.why = true, "made by "+wsgiCall().FindStringSubmatch(value)[1]
			case d.name == "application" || d.name == "app":
				d.why = "assigned there"
			default:
				continue
			}
		} else if m := imported().FindStringSubmatch(line); m != nil {
			for one := range strings.SplitSeq(strings.Trim(m[2], "() "), ",") {
				words := strings.Fields(one)
				if len(words) == 0 {
					continue
				}
				if name := words[len(words)-1]; name == "application" || name == "app" {
					found = append(found, definition{name: name, line: i + 1, why: "imported from " + m[1]})
				}
			}
			continue
		} else {
			continue
		}
		found = append(found, d)
	}
	return found
}

// needsNothing tells whether a function may be called without arguments.
func needsNothing(params []string) bool {
	for _, p := range params {
		p = strings.TrimSpace(p)
		if p != "" && !strings.ContainsAny(p, "=*/") {
			return false
		}
	}
	return true
}

// withoutStrings takes comments and the content of strings out of a source, so that
// what stands in them is not read as code. Lines stay where they are.
func withoutStrings(source string) string {
	var b strings.Builder
	for i := 0; i < len(source); {
		c := source[i]
		switch c {
		case '#':
			end := strings.IndexByte(source[i:], '\n')
			if end < 0 {
				return b.String()
			}
			i += end
		case '"', '\'':
			quote := source[i : i+1]
			if strings.HasPrefix(source[i:], strings.Repeat(quote, 3)) {
				quote = strings.Repeat(quote, 3)
			}
			b.WriteString(quote)
			i += len(quote)
			for i < len(source) && !strings.HasPrefix(source[i:], quote) {
				if source[i] == '\n' {
					b.WriteByte('\n')
					if len(quote) == 1 {
						break // it is not closed: no string
					}
				}
				if source[i] == '\\' && i+1 < len(source) {
					if source[i+1] == '\n' {
						b.WriteByte('\n')
					}
					i++
				}
				i++
			}
			if strings.HasPrefix(source[i:min(len(source), i+len(quote))], quote) {
				b.WriteString(quote)
				i += len(quote)
			} else if i < len(source) {
				i++
			}
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String()
}
