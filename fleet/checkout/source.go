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
		for _, d := range definedBy(line) {
			d.line = i + 1
			found = append(found, d)
		}
	}
	return found
}

// definedBy are those of one line at the top of a module.
func definedBy(line string) []definition {
	if m := function().FindStringSubmatch(line); m != nil {
		return byFunction(m[2], m[1] != "", m[3])
	}
	if m := assigned().FindStringSubmatch(line); m != nil {
		return byValue(m[1], strings.TrimSpace(m[2]))
	}
	if m := imported().FindStringSubmatch(line); m != nil {
		return byImport(m[1], m[2])
	}
	return nil
}

func isAppName(name string) bool { return name == "application" || name == "app" }

func byFunction(name string, async bool, parameters string) []definition {
	params := strings.Split(parameters, ",")
	switch {
	case async:
		if isAppName(name) {
			return []definition{{name: name, asgi: true}}
		}
	case factoryNames[name]:
		if needsNothing(params) {
			return []definition{{name: name, factory: true, why: "a function that makes an application"}}
		}
	case len(params) == 2 && strings.Contains(parameters, "start_response"):
		return []definition{{name: name, known: true, why: "a function of environ and start_response"}}
	case len(params) == 2 && name == "application":
		// The name and the number say it, whatever the two are called.
		return []definition{{name: name, known: true, why: "a function of two arguments"}}
	}
	return nil
}

func byValue(name, value string) []definition {
	switch made := wsgiCall().FindStringSubmatch(value); {
	case asgiCall().MatchString(value):
		return []definition{{name: name, asgi: true}}
	case otherApp().MatchString(value):
	case made != nil:
		return []definition{{name: name, known: true, why: "made by " + made[1]}}
	case isAppName(name):
		return []definition{{name: name, why: "assigned there"}}
	}
	return nil
}

func byImport(module, names string) (found []definition) {
	for one := range strings.SplitSeq(strings.Trim(names, "() "), ",") {
		words := strings.Fields(one)
		if len(words) > 0 && isAppName(words[len(words)-1]) {
			found = append(found, definition{name: words[len(words)-1], why: "imported from " + module})
		}
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
	for source != "" {
		switch c := source[0]; c {
		case '#':
			end := strings.IndexByte(source, '\n')
			if end < 0 {
				return b.String()
			}
			source = source[end:]
		case '"', '\'':
			source = emptied(&b, source)
		default:
			b.WriteByte(c)
			source = source[1:]
		}
	}
	return b.String()
}

// emptied writes the quotes and the ends of lines of the string that a source begins with,
// and is what follows it.
func emptied(b *strings.Builder, source string) (rest string) {
	quote := source[:1]
	if three := strings.Repeat(quote, 3); strings.HasPrefix(source, three) {
		quote = three
	}
	b.WriteString(quote)
	for i := len(quote); i < len(source); i++ {
		switch {
		case strings.HasPrefix(source[i:], quote):
			b.WriteString(quote)
			return source[i+len(quote):]
		case source[i] == '\\' && i+1 < len(source):
			i++
			if source[i] == '\n' {
				b.WriteByte('\n')
			}
		case source[i] == '\n':
			b.WriteByte('\n')
			if len(quote) == 1 {
				return source[i+1:] // it is not closed: no string
			}
		}
	}
	return ""
}
