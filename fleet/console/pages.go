package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
)

//go:embed web
var web embed.FS

// follows tells whether the program was built with the modules of web/static/npm, which
// make gets. Without them a browser loads pages anew.
func follows(files fs.FS) bool {
	_, err := fs.Stat(files, "web/static/npm/morphdom.js")
	return err == nil
}

// templates are read when the first page is asked for.
var templates = sync.OnceValue(func() map[string]*template.Template {
	funcs := template.FuncMap{
		"clean": clean, "lines": lines, "size": words.Size, "number": words.Number, "latency": words.Latency,
		"ago": ago, "stamp": stamp, "day": day, "tone": tone, "lower": strings.ToLower, "none": orNone, "clock": clock,
		"took":  func(d time.Duration) string { return d.Round(10 * time.Millisecond).String() },
		"unix":  func(sec int64) time.Time { return time.Unix(sec, 0) },
		"count": words.Count,
		"plots": func(c []chart, axis []mark) plots { return plots{c, axis} },
	}
	base := template.Must(template.New("").Funcs(funcs).ParseFS(web, "web/layout.html"))
	out := map[string]*template.Template{}
	for _, name := range []string{"fleet", "app", "plan", "logs", "deploys", "deploy", "hosts", "stacks", "did", "login", "problem"} {
		out[name] = template.Must(template.Must(base.Clone()).ParseFS(web, "web/"+name+".html"))
	}
	return out
})

// frame is what every page has around what it is about.
type frame struct {
	Page    string // of the navigation
	Title   string
	Version string
	Who     *session // nil: nobody is logged in
	Token   string   // of forms
	Login   bool     // there is a session to leave
	Now     time.Time
	Live    int  // after how many ticks the page's parts are asked for anew; 0: never
	Rows    bool // the fleet's table is kept fresh row by row
	Follows bool // the program has what keeps pages fresh, see follows
	Query   string
	Body    any
}

// titles are those of pages that have one of their own.
var titles = map[string]string{"fleet": "Fleet", "plan": "Plan", "logs": "Logs", "deploys": "Deploys", "hosts": "Hosts and certificates", "login": "Log in", "problem": "Not possible"}

// render writes a page whole, or says that it could not be made.
func (c *Console) render(w http.ResponseWriter, r *http.Request, code int, name string, body any, set ...func(*frame)) {
	f := frame{Page: name, Title: titles[name], Version: c.fleet.Version(), Now: time.Now(), Body: body, Query: r.URL.RawQuery, Follows: c.follows}
	if s := by(r); s != nil {
		f.Who, f.Token, f.Login = s, c.sign("form", s.ID), c.network != "unix" && !looksOnly(r)
	}
	for _, s := range set {
		s(&f)
	}
	var b bytes.Buffer
	if err := templates()[name].ExecuteTemplate(&b, "layout", &f); err != nil {
		c.log.Error("cannot make a page of the console", "page", name, "err", err)
		refuse(w, http.StatusInternalServerError, "The page cannot be made; the daemon's log says why.")
		return
	}
	// A search through a long log may have taken all of the time.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeLimit))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, safe(b.String()))
}

// safe takes control characters out of what was made, wherever they have come from:
// no text that is shown may do anything to who shows it.
func safe(page string) string { return words.Printable(page) }

// live has a page ask for its parts after so many ticks.
func live(ticks int) func(*frame) { return func(f *frame) { f.Live = ticks } }

func titled(page, title string) func(*frame) {
	return func(f *frame) { f.Page, f.Title = page, title }
}

// notPossible says on a page of its own why something cannot be had.
func (c *Console) notPossible(w http.ResponseWriter, r *http.Request, code int, text string) {
	c.render(w, r, code, "problem", lines(text))
}

func (c *Console) handler() http.Handler {
	mux := http.NewServeMux()
	static, _ := fs.Sub(web, "web/static")
	files := http.StripPrefix("/static/", http.FileServerFS(static))
	mux.HandleFunc("GET /static/", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", `"`+c.fleet.Version()+`"`)
		files.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		if c.session(r) != nil {
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		c.render(w, r, http.StatusOK, "login", loginView{})
	})
	mux.HandleFunc("POST /login", c.logIn)
	mux.HandleFunc("POST /logout", c.logOut)
	mux.HandleFunc("GET /{$}", c.fleetPage)
	mux.HandleFunc("GET /rows", c.rows)
	mux.HandleFunc("GET /stream", c.stream)
	// Whether there is a session: the guard answers who has none.
	mux.HandleFunc("GET /who", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /app/{app}", c.appPage)
	mux.HandleFunc("POST /app/{app}", c.act)
	mux.HandleFunc("GET /app/{app}/stacks", c.stacksPage)
	mux.HandleFunc("GET /plan", c.planPage)
	mux.HandleFunc("POST /plan", c.apply)
	mux.HandleFunc("GET /logs", c.logsPage)
	mux.HandleFunc("GET /deploys", c.deploysPage)
	mux.HandleFunc("GET /deploys/{app}/{id}", c.deployPage)
	mux.HandleFunc("POST /deploys/{app}", c.deploy)
	mux.HandleFunc("GET /hosts", c.hostsPage)
	mux.HandleFunc("GET /did/{id}", c.didPage)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		c.notPossible(w, r, http.StatusNotFound, "There is no such page.")
	})
	return c.guard(mux)
}

type loginView struct{ Problem string }

// tone is the class of a state, a result or a kind of disruption.
func tone(word string) string {
	switch word {
	case "ready", "idle", "ok", "start", "listen":
		return "good"
	case "updating", "starting", "running", "live", "repair", "scale", "retry", "busy", "draining":
		return "busy"
	case "degraded", "stopping", "rolling", "retire", "interrupted":
		return "warn"
	case "backoff", "invalid", "failed", "replace", "stop", "error":
		return "bad"
	}
	return "off"
}

// ago is a time as people say it, with the time itself for machines.
func ago(now, at time.Time) template.HTML {
	if at.IsZero() {
		return words.None
	}
	//nolint:gosec // made of digits
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s" data-age="%d">%s</time>`,
		at.UTC().Format(time.RFC3339), at.Local().Format("2006-01-02 15:04:05 MST"), at.Unix(), words.Age(now.Sub(at))))
}

func stamp(at time.Time) template.HTML {
	if at.IsZero() {
		return words.None
	}
	//nolint:gosec // made of digits
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s</time>`, at.UTC().Format(time.RFC3339), at.Local().Format("2006-01-02 15:04:05")))
}

func day(at time.Time) string {
	if at.IsZero() {
		return words.None
	}
	return at.UTC().Format(time.DateOnly)
}

func clock(at time.Time) string { return at.Local().Format("15:04:05") }

func orNone(text string) string {
	if text == "" {
		return words.None
	}
	return text
}
