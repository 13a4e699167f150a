package checkout

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Spec writes the spec file of what was found, for an app of a name that listens on
// an address. Each choice has its reason above it.
func (f *Found) Spec(name string, listen Choice, user Choice) []byte {
	w := &writer{}
	w.comment("Written by wsgid-fleet new from %s.", f.Path)
	w.line("app %s {", appspec.Quote(name))
	w.comment("The checkout. Beside the code the fleet makes logs/, pid/, plugins/, wsgid.json and django.json in it, and nothing else.")
	w.set("path", f.Path)
	w.comment("%s.", upper(f.Code.Why))
	w.set("code", f.Code.Value)
	if f.Code.Value == appDir {
		w.comment("The code stays whosever it is: an app folder of wsgid is laid out in this way, and root's code in one is given to the app's user.")
		w.line("own_code = false")
	}
	w.comment("%s.", upper(f.App.Why))
	if f.App.Value != "" {
		w.set("wsgi_app", f.App.Value)
	} else {
		w.set("loader", "django")
	}
	if f.Virtualenv.Value != "" {
		w.comment("%s.", upper(f.Virtualenv.Why))
		w.set("virtualenv", f.Virtualenv.Value)
	}
	w.comment("%s.", upper(user.Why))
	if user.Value != "" {
		w.set("user", user.Value)
	} else {
		w.line(`# user = "…"`)
	}
	w.line("")
	w.line("sockets {")
	w.line("http {")
	w.comment("%s.", upper(listen.Why))
	w.set("listen", listen.Value)
	w.line("}")
	w.line("}")
	w.line("")
	w.line("workers {")
	if f.Workers.Value != "" {
		w.comment("%s.", upper(f.Workers.Why))
		w.line("count = %s", f.Workers.Value)
	} else {
		w.comment("Two, so that one request does not wait for another.")
		w.line("count = 2")
	}
	for _, c := range []struct {
		name string
		Choice
		text bool
	}{{"threads", f.Threads, false}, {"request_timeout", f.Timeout, true}} {
		switch {
		case c.Value == "":
		case c.text:
			w.comment("%s.", upper(c.Why))
			w.set(c.name, c.Value)
		default:
			w.comment("%s.", upper(c.Why))
			w.line("%s = %s", c.name, c.Value)
		}
	}
	w.line("}")
	if f.App.Value == "" {
		w.line("")
		w.line("django {")
		w.set("settings", f.Settings.Value)
		w.line("}")
	}
	if f.StaticURL != "" {
		w.line("")
		w.line("static {")
		w.comment("%s.", upper(f.StaticDir.Why))
		w.set("url", f.StaticURL)
		w.set("dir", f.StaticDir.Value)
		w.line("}")
	}
	if len(f.Notes) > 0 {
		w.line("")
		for _, n := range f.Notes {
			w.comment("Note: %s.", n)
		}
	}
	w.line("}")
	return hclwrite.Format([]byte(w.b.String()))
}

// appDir is the folder in which wsgid's own app folders have their code.
const appDir = "app"

type writer struct{ b strings.Builder }

func (w *writer) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.b.WriteString(text + "\n")
}

func (w *writer) set(name, value string) { w.line("%s = %s", name, appspec.Quote(value)) }

// comment writes a sentence in lines of a width that people read. What a file of the
// checkout says may hold anything.
func (w *writer) comment(format string, args ...any) {
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, fmt.Sprintf(format, args...))
	line := "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > 90 && line != "#" {
			w.line("%s", line)
			line = "#"
		}
		line += " " + word
	}
	w.line("%s", line)
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
