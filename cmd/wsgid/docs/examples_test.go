package docs

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// Each example runs by hand as well as from its spec, and does what its README
// says.
func TestExamples(t *testing.T) {
	examples := []struct {
		dir, app string
		check    func(t *testing.T, p *place)
	}{
		{"django-settings", "guestbook", func(t *testing.T, p *place) {
			t.Helper()
			for _, want := range []string{"1", "2"} {
				p.wants("/", "Visits in production: "+want+", counted in production.sqlite3\n")
			}
			const app = "/var/wsgid/guestbook"
			if _, err := os.Stat(p.path(app + "/development.sqlite3")); err == nil {
				t.Error("the database of settings.py was used")
			}
			p.must(os.Remove(p.path(app + "/production.sqlite3")))
			if got, want := p.read(app+"/django.json"), readFile(t, kit+"/examples/django-settings/guestbook/django.json"); got != want {
				t.Errorf("django.json was changed to %s", got)
			}
		}},
		{"plugin-loader", "pages", func(t *testing.T, p *place) {
			t.Helper()
			p.wants("/", "Welcome.\n")
			p.wants("/about", "Served by a loader of our own.\n")
			if resp, body := p.get("/nowhere"); resp.StatusCode != http.StatusNotFound || body != "There is no such page.\n" {
				t.Errorf("%s %s", resp.Status, body)
			}
			p.awaitLog("/var/wsgid/pages", " is ready: PagesLoader PagesLoader of /var/wsgid/pages/plugins/pagesloader.py, ")
		}},
		{"filters", "timing", func(t *testing.T, p *place) {
			t.Helper()
			const least = 0.25 // seconds that the slow page takes
			for _, c := range []struct {
				path  string
				timed bool
				least float64 // seconds; a busy machine may need any more
				log   string
			}{
				{"/", true, 0, ""},
				{"/slow", true, least, "WARNING - slow: /slow took "},
				{"/broken", false, 0, "WARNING - /broken failed after "},
			} {
				resp, _ := p.get(c.path)
				got := resp.Header.Get("X-Time")
				seconds, err := strconv.ParseFloat(got, 64)
				if c.timed && (err != nil || seconds < c.least) || !c.timed && got != "" {
					t.Errorf("%s: X-Time is %q", c.path, got)
				}
				p.awaitLog("/var/wsgid/timing", c.log)
			}
		}},
		{"pyroutes", "notes", func(t *testing.T, p *place) {
			t.Helper()
			p.wants("/", "Ask for /note/SOMETHING.\n")
			p.wants("/note/milk", "Note: milk\n")
			p.wants("/note", "Note: nothing\n")
			p.awaitLog("/var/wsgid/notes", " is ready: pyroutes pyroutes:application, ")
		}},
	}
	asEach(t, func(t *testing.T) {
		for _, e := range examples {
			t.Run(e.dir, func(t *testing.T) {
				p := newPlace(t)
				app := "/var/wsgid/" + e.app
				from := kit + "/examples/" + e.dir
				p.sh("cp -a " + from + "/" + e.app + " /var/wsgid/")
				p.init(app)
				spec := readFile(t, from+"/"+e.app+".hcl")
				p.web = freeport.Addr(t)
				p.write("/wsgid.d/"+e.app+".hcl", strings.Replace(spec, "127.0.0.1:8000", p.web, 1))
				p.sh("wsgid-fleet fmt -check " + from + "/" + e.app + ".hcl")
				p.sh("wsgid-fleet apply >/dev/null")
				e.check(t, p)
				p.sh("wsgid-fleet stop " + e.app + " >/dev/null")
				// The fleet's wsgid.json tells wsgid the same.
				p.sh("wsgid --app-path=" + app)
				e.check(t, p)
			})
		}
	})
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
