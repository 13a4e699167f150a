package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// rest mends what is broken, has all carried out, and waits until what is there is what should
// be, and nothing else.
func (e *operatorTempest) rest() {
	e.t.Helper()
	since := time.Now()
	e.note("---- rest")
	e.orders.Lock()
	for _, s := range e.sites {
		s.faulty = false
	}
	clear(e.broken)
	for _, s := range e.sites {
		e.put(s.file)
	}
	e.orders.Unlock()
	for _, step := range []struct {
		what string
		ask  func() error
	}{
		{"all to be carried out", e.carriedOut},
		{"status and plan to find nothing", e.found},
		{"each app to answer as it should", e.answers},
		{"the deploys to be as their logbooks say", e.deployed},
		{"no process to be left", e.processes},
		{"no file to be left", e.files},
	} {
		if err := wait(patience, step.ask); err != nil {
			e.wrong(since.Add(-tempestRound), "%s: %v", step.what, err)
			e.t.FailNow()
		}
	}
	for _, s := range e.sites {
		if s.there {
			s.down.Store(0)
		}
	}
	for _, bad := range []string{"panic", "goroutine ", "fatal error", "DATA RACE"} {
		logs, _ := filepath.Glob(filepath.Join(e.demo, "apps/*/logs/*.log"))
		for _, path := range append(logs, e.daemon.log) {
			if text, _ := os.ReadFile(path); strings.Contains(string(text), bad) {
				e.t.Errorf("seed %d: %s has %q:\n%s", e.seed, path, bad, text[max(0, len(text)-6000):])
			}
		}
	}
	e.note("---- all is well")
}

// present are the sites that are to be there, by the names of their apps.
func (e *operatorTempest) present() map[string]*tempestSite {
	all := map[string]*tempestSite{}
	for _, s := range e.sites {
		if s.there {
			all[s.app()] = s
		}
	}
	return all
}

func (e *operatorTempest) carriedOut() error {
	for app, s := range e.present() {
		if s.repo == nil {
			continue
		}
		if _, err := os.Readlink(filepath.Join(s.folder, "app")); err != nil { // it was never deployed to this one
			e.commit(s.repo, true)
			e.says("deploy", app)
		}
	}
	if out := e.fleet("apply", slices.Sorted(maps.Keys(e.present()))...); out.code != 0 {
		return fmt.Errorf("apply: %v", out)
	}
	if out := e.fleet("apply"); out.code != 0 {
		return fmt.Errorf("apply: %v", out)
	}
	return nil
}

func (e *operatorTempest) found() error {
	st, err := e.status()
	if err != nil {
		return err
	}
	want := e.present()
	if len(st.Apps) != len(want) {
		return fmt.Errorf("%d apps are known, want %v: %+v", len(st.Apps), slices.Sorted(maps.Keys(want)), st.Apps)
	}
	for _, a := range st.Apps {
		s := want[a.Name]
		if s == nil || a.State != "ready" && (!s.sleeps || a.State != "idle") || len(a.Warnings) > 0 || a.Path != s.folder {
			return fmt.Errorf("want none such: %+v", a)
		}
	}
	if st.Gate == nil || st.Gate.State != "ready" {
		return fmt.Errorf("the gate is %+v", st.Gate)
	}
	if out := e.fleet("plan"); out.code != 0 {
		return fmt.Errorf("plan: %v", out)
	}
	return nil
}

// answers asks for all sites in both ways.
func (e *operatorTempest) answers() error {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, s := range e.sites {
		for _, addr := range []string{s.listen, e.gateway} {
			status, text, err := visitSite(&client, addr, s.key+".test")
			words := strings.Fields(text)
			switch {
			case !s.there && (err != nil || status == http.StatusMisdirectedRequest):
			case !s.there || err != nil || status != http.StatusOK || len(words) != 3 || words[0] != s.key || words[2] != fmt.Sprint(s.edit):
				return fmt.Errorf("%s (%s), there %v, edit %d, at %s: %d %q, %w", s.key, s.app(), s.there, s.edit, addr, status, text, err)
			case s.repo != nil:
				code, _ := os.ReadFile(filepath.Join(s.folder, "app/page.py"))
				if !strings.Contains(string(code), `"%s `+words[1]+` %s`) {
					return fmt.Errorf("%s (%s) serves commit %s, and in its folder is\n%s", s.key, s.app(), words[1], code)
				}
			}
		}
	}
	return nil
}

// deployed holds the folders of all sites against their logbooks.
func (e *operatorTempest) deployed() error {
	for _, s := range e.sites {
		if s.repo == nil || !s.there {
			continue
		}
		out := e.fleet("deploys", s.app(), "-o", "json")
		var book []struct {
			ID, Kind, Result, Release string
			Pruned                    bool
		}
		if err := json.Unmarshal([]byte(out.stdout), &book); err != nil {
			return fmt.Errorf("deploys %s -o json: %w: %v", s.app(), err, out)
		}
		serves, kept, known := "", 0, map[string]bool{}
		for _, d := range book {
			if d.Result == "running" {
				return fmt.Errorf("%s: the deploy %s runs", s.app(), d.ID)
			}
			if d.Result == "ok" && serves == "" {
				serves = d.Release
			}
			if d.Result == "ok" && d.Kind == "deploy" && !d.Pruned {
				kept++
			}
			if !d.Pruned || d.Release == serves {
				known[d.Release] = true
			}
		}
		if link, err := os.Readlink(filepath.Join(s.folder, "app")); err != nil || link != "releases/"+serves {
			return fmt.Errorf("%s: app is a link to %q, %w; want %q; the logbook: %+v", s.app(), link, err, serves, book)
		}
		releases, err := os.ReadDir(filepath.Join(s.folder, "releases"))
		if err != nil {
			return err
		}
		for _, r := range releases {
			if !known[r.Name()] {
				return fmt.Errorf("%s: the release %s is in no logbook, or pruned: %+v", s.app(), r.Name(), book)
			}
		}
		if kept > 4 { // keep is 2, beside those that serve or have served
			return fmt.Errorf("%s: %d releases are kept: %+v", s.app(), kept, book)
		}
		// Locks of a git that was killed are the next deploy's to remove.
		if left, _ := filepath.Glob(filepath.Join(s.folder, ".*")); len(left) > 0 {
			return fmt.Errorf("%s: left are %v", s.app(), left)
		}
	}
	return nil
}

var (
	tempestMaster = regexp.MustCompile(`^wsgid: master (\S+) `)
	tempestWorker = regexp.MustCompile(`wsgid_worker\.py (\S+)`)
)

// processes tells of processes that should not be there, or of masters and workers that are not.
func (e *operatorTempest) processes() error {
	masters, workers := map[string]int{}, map[string]int{}
	for _, p := range processesOf(e.dir) {
		if m := tempestMaster.FindStringSubmatch(p.args); m != nil {
			masters[m[1]]++
		} else if m := tempestWorker.FindStringSubmatch(p.args); m != nil {
			workers[m[1]]++
		} else if p.pid != e.daemon.Process.Pid && !strings.HasPrefix(p.args, "wsgid: ") {
			return fmt.Errorf("nobody should be %v", p)
		}
	}
	st, err := e.status()
	if err != nil {
		return err
	}
	want := e.present()
	for _, a := range st.Apps {
		if s := want[a.Name]; s != nil && s.sleeps {
			delete(masters, a.Name)
			delete(workers, a.Name)
			continue
		}
		if masters[a.Name] != 1 || workers[a.Name] != len(a.Workers) {
			return fmt.Errorf("%d masters and %d workers of %+v", masters[a.Name], workers[a.Name], a)
		}
		delete(masters, a.Name)
		delete(workers, a.Name)
	}
	delete(masters, theGate)
	if len(masters)+len(workers) > 0 {
		return fmt.Errorf("of apps that are not there: %v, %v", masters, workers)
	}
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range all {
		text, _ := os.ReadFile(path)
		_, rest, _ := strings.Cut(string(text), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[0] == "Z" && f[1] == fmt.Sprint(e.daemon.Process.Pid) {
			return fmt.Errorf("the daemon has a zombie: %s", text)
		}
	}
	return nil
}

// files tells of what is known of apps that are not there.
func (e *operatorTempest) files() error {
	want := e.present()
	for _, dir := range []string{"apps", "gate", "data/apps", "data/deploys"} {
		all, err := os.ReadDir(filepath.Join(e.state, dir))
		if err != nil {
			return err
		}
		for _, f := range all {
			// The deploys of an environment that is out are there for when it comes back.
			if want[f.Name()] == nil && f.Name() != theGate && (dir != "data/deploys" || !strings.HasSuffix(f.Name(), "side")) {
				return fmt.Errorf("left in %s: %s", dir, f.Name())
			}
		}
	}
	return nil
}
