package console

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
)

// maxDeploys is how many the list shows.
const maxDeploys = 200

type deploysView struct {
	App     string // of which; empty: of all
	Apps    []string
	Entries []*deploy.Entry
	More    int
	Running bool
}

func (c *Console) deploysPage(w http.ResponseWriter, r *http.Request) {
	v := &deploysView{App: clean(head(r.URL.Query().Get("app"), 100))}
	var apps []string
	if v.App != "" {
		apps = []string{v.App}
	}
	es, err := c.fleet.Deploys(r.Context(), apps)
	if err != nil {
		c.notPossible(w, r, http.StatusNotFound, err.Error())
		return
	}
	for _, e := range es {
		if !slices.Contains(v.Apps, e.App) {
			v.Apps = append(v.Apps, e.App)
		}
		v.Running = v.Running || e.Result == deploy.ResultRunning
	}
	slices.Sort(v.Apps)
	if len(es) > maxDeploys {
		es, v.More = es[:maxDeploys], len(es)-maxDeploys
	}
	v.Entries = es
	c.render(w, r, http.StatusOK, "deploys", v, live(3))
}

// Commit is short, as the command writes it.
func (v *deploysView) Commit(e *deploy.Entry) string { return commit(e) }

func commit(e *deploy.Entry) string {
	if e.Commit == "" {
		return "-"
	}
	return appspec.ShortCommit(e.Commit)
}

type deployView struct {
	E       *deploy.Entry
	Current bool // its release serves
}

func (c *Console) deployPage(w http.ResponseWriter, r *http.Request) {
	app, id := r.PathValue("app"), r.PathValue("id")
	es, err := c.fleet.Deploys(r.Context(), []string{app})
	if err != nil {
		c.notPossible(w, r, http.StatusNotFound, err.Error())
		return
	}
	i := slices.IndexFunc(es, func(e *deploy.Entry) bool { return e.ID == id })
	if i < 0 {
		c.notPossible(w, r, http.StatusNotFound, "There is no deploy of that id in the logbook of "+app+".")
		return
	}
	v := &deployView{E: es[i]}
	if st, _, ok := c.fleet.App(r.Context(), app); ok && st.Release != nil {
		v.Current = st.Release.ID == v.E.Release
	}
	ticks := 0
	if v.E.Result == deploy.ResultRunning {
		ticks = 1
	}
	c.render(w, r, http.StatusOK, "deploy", v, titled("deploys", "Deploy "+id+" of "+app), live(ticks))
}

// Commit is short, as the command writes it.
func (v *deployView) Commit(e *deploy.Entry) string { return commit(e) }

// Link leads to the page of a deploy.
func (v *deploysView) Link(e *deploy.Entry) string {
	return "/deploys/" + url.PathEscape(e.App) + "/" + url.PathEscape(e.ID)
}
