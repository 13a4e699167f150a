package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
)

// operatorApp says whose answer it is, of which commit, by which edit of the spec.
const operatorApp = `import os
%s
TEXT = ("%%s %d %%s\n" %% (os.environ.get("SITE"), os.environ.get("EDIT"))).encode()

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(TEXT)))])
    return [TEXT]
`

// tempestRepo is the git repository of one or two sites.
type tempestRepo struct {
	dir     string
	mu      sync.Mutex
	commits int // guarded by mu
}

// tempestSite is an app as it should be by its spec, whatever it is called now. What operators
// change of it is guarded by the orders of operatorTempest.
type tempestSite struct {
	key, listen, folder string
	repo                *tempestRepo // nil: not deployed
	sleeps              bool

	file              string // without the ending
	json              bool
	name              string // without environment
	base, environment string // with one
	edit, workers, db int
	enabled, there    bool
	faulty            bool // its spec names a module that is not there

	naming sync.Mutex   // is held while it is to keep its name
	down   atomic.Int32 // orders that have it serve nobody
	downs  atomic.Int32 // how often there was one
}

func (s *tempestSite) app() string {
	if s.base != "" {
		return s.base + "-" + s.environment
	}
	return s.name
}

// repository makes the git repository of a site, with a first commit.
func (e *operatorTempest) repository(name string) *tempestRepo {
	e.t.Helper()
	p := &tempestRepo{dir: filepath.Join(e.dir, name+".git")}
	e.must(os.Mkdir(p.dir, 0o755))
	e.git(p, "init", "-q", "-b", "master")
	e.commit(p, true)
	return p
}

func (e *operatorTempest) git(p *tempestRepo, args ...string) {
	e.t.Helper()
	if out, err := fleettest.GitCommand(e.t, p.dir, args...).CombinedOutput(); err != nil {
		e.t.Errorf("git %v: %v\n%s", args, err, out)
	}
}

// commit makes the next commit, of code that can be loaded or cannot.
func (e *operatorTempest) commit(p *tempestRepo, good bool) {
	e.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commits++
	more := ""
	if !good {
		more = "import nothing_of_that_name"
	}
	if err := os.WriteFile(filepath.Join(p.dir, "page.py"), fmt.Appendf(nil, operatorApp, more, p.commits), 0o644); err != nil {
		e.t.Error(err)
	}
	e.git(p, "add", "-A")
	e.git(p, "commit", "-q", "-m", fmt.Sprint(p.commits))
}

// failing is the file by which a stage of the site's deploys fails.
func (e *operatorTempest) failing(s *tempestSite) string { return filepath.Join(e.dir, s.key+".fails") }

// spec is the app block of a site, as JSON has it.
func (e *operatorTempest) spec(s *tempestSite) map[string]any {
	module := "page"
	if s.faulty {
		module = "nothing_of_that_name"
	}
	m := map[string]any{
		"path": s.folder, "wsgi_app": module + ":application", "hosts": []string{s.key + ".test"},
		"env":     map[string]string{"SITE": s.key, "EDIT": fmt.Sprint(s.edit)},
		"sockets": map[string]any{"http": map[string]any{"listen": s.listen}},
		"workers": map[string]any{"count": s.workers, "queue_timeout": "3m", "start_timeout": "3m"},
	}
	if s.sleeps {
		m["workers"] = map[string]any{"min": 0, "max": s.workers, "idle_timeout": "400ms", "queue_timeout": "3m", "start_timeout": "3m"}
	}
	if !s.enabled {
		m["enabled"] = false
	}
	if s.db > 0 {
		m["database"] = map[string]any{"engine": "sqlite", "name": fmt.Sprintf("db%d.sqlite", s.db)}
	}
	if s.repo != nil {
		m["deploy"] = map[string]any{"repository": "file://" + s.repo.dir, "keep": 2, "nice": 0, "stage": map[string]any{
			"check": map[string]any{"command": []string{"/bin/sh", "-c", "sleep 0.1; test ! -e " + e.failing(s)}}}}
	}
	return m
}

// hcl writes a block as HCL: maps are blocks, but for those that are attributes.
func hcl(b *strings.Builder, m map[string]any, indent string) {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		switch v := m[k].(type) {
		case map[string]any:
			if k == "stage" || k == "app" || k == "environment" { // with labels
				for label, block := range v {
					fmt.Fprintf(b, "%s%s %q {\n", indent, k, label)
					hcl(b, block.(map[string]any), indent+"  ")
					fmt.Fprintf(b, "%s}\n", indent)
				}
				continue
			}
			fmt.Fprintf(b, "%s%s {\n", indent, k)
			hcl(b, v, indent+"  ")
			fmt.Fprintf(b, "%s}\n", indent)
		case map[string]string:
			text, _ := json.Marshal(v)
			fmt.Fprintf(b, "%s%s = %s\n", indent, k, text)
		default:
			text, _ := json.Marshal(v)
			fmt.Fprintf(b, "%s%s = %s\n", indent, k, text)
		}
	}
}

// put writes a file of the directory with the specs of all who have theirs there, or removes it
// where nobody has.
func (e *operatorTempest) put(file string) {
	apps := map[string]any{}
	asJSON := false
	for _, s := range e.sites {
		if s.file != file || !s.there {
			continue
		}
		asJSON = s.json
		if s.base == "" {
			apps[s.name] = e.spec(s)
			continue
		}
		block, _ := apps[s.base].(map[string]any)
		if block == nil {
			block = map[string]any{"environment": map[string]any{}}
			apps[s.base] = block
		}
		block["environment"].(map[string]any)[s.environment] = e.spec(s)
	}
	name, other := file+".hcl", file+".hcl.json"
	var text string
	if asJSON {
		name, other = other, name
		b, _ := json.MarshalIndent(map[string]any{"app": apps}, "", "  ")
		text = string(b) + "\n"
	} else {
		var b strings.Builder
		hcl(&b, map[string]any{"app": apps}, "")
		text = b.String()
	}
	if e.broken[file] {
		text += "\nnonsense {\n"
	}
	if len(apps) > 0 {
		e.write("wsgid.d/"+name, text)
	} else {
		_ = os.Remove(filepath.Join(e.specs, name)) // it may not be there
	}
	_ = os.Remove(filepath.Join(e.specs, other)) // nor need this
}
