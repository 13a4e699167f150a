package console

import (
	"context"
	"net/http"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

// act does one thing to one app.
func (c *Console) act(w http.ResponseWriter, r *http.Request) {
	app := r.PathValue("app")
	verb := r.PostForm.Get("verb")
	f := map[string]func(context.Context, []string, func(fleet.Event)) ([]fleet.Result, error){
		"start": c.fleet.Start, "stop": c.fleet.Stop, "restart": c.fleet.Restart, "reload": c.fleet.Reload,
	}[verb]
	if f == nil {
		c.notPossible(w, r, http.StatusBadRequest, "There is no such action.")
		return
	}
	if verb == "stop" && r.PostForm.Get("confirm") != app {
		c.notPossible(w, r, http.StatusBadRequest, "To stop an app, type its name, to confirm which one is meant. Nothing was done.")
		return
	}
	c.do(w, r, verb+" "+app, func(ctx context.Context, progress func(fleet.Event)) ([]fleet.Result, error) {
		return f(ctx, []string{app}, progress)
	})
}

// deploy brings an app's code here, or goes back to an earlier release.
func (c *Console) deploy(w http.ResponseWriter, r *http.Request) {
	o := fleet.DeployOrder{App: r.PathValue("app"), Back: r.PostForm.Get("verb") == "rollback", To: r.PostForm.Get("to"), By: by(r).who()}
	what := "deploy " + o.App
	if o.Back {
		what = "roll back " + o.App
		if o.To == "" || r.PostForm.Get("confirm") != o.App {
			c.notPossible(w, r, http.StatusBadRequest, "To roll back, type the name of the app, to confirm which one is meant. Nothing was done.")
			return
		}
	}
	c.do(w, r, what, func(ctx context.Context, progress func(fleet.Event)) ([]fleet.Result, error) {
		return c.fleet.Deploy(ctx, o, progress)
	})
}

// do begins something and leads to the page that tells of it.
func (c *Console) do(w http.ResponseWriter, r *http.Request, what string, f doing) {
	s := by(r)
	j, err := c.jobs.begin(c.fleet.Life(), clean(what), s.who(), f, func(*job) { c.cache.stale() })
	if err != nil {
		c.notPossible(w, r, http.StatusServiceUnavailable, err.Error())
		return
	}
	c.log.Info("console: asked for", "what", j.What, "by", s.who())
	http.Redirect(w, r, "/did/"+j.ID, http.StatusSeeOther)
}

// didView is the page of something that was asked for.
type didView struct {
	Job     *job
	Steps   []fleet.Event
	Results []fleet.Result
	Err     string
	Ended   time.Time
}

func (c *Console) didPage(w http.ResponseWriter, r *http.Request) {
	j := c.jobs.find(r.PathValue("id"))
	if j == nil {
		c.notPossible(w, r, http.StatusNotFound, "It is no longer known: the daemon was restarted since, or too many other requests came after it. The fleet page shows the current state.")
		return
	}
	v := &didView{Job: j}
	v.Steps, v.Results, v.Err, v.Ended = j.state()
	v.Err = clean(v.Err)
	ticks := 0
	if v.Ended.IsZero() {
		ticks = 1
	}
	c.render(w, r, http.StatusOK, "did", v, titled("", j.What), live(ticks))
}

// Took is how long it took, or takes.
func (v *didView) Took() time.Duration {
	if v.Ended.IsZero() {
		return time.Since(v.Job.Began)
	}
	return v.Ended.Sub(v.Job.Began)
}

// Good tells whether all went well.
func (v *didView) Good() bool {
	if v.Err != "" {
		return false
	}
	for _, r := range v.Results {
		if !r.OK {
			return false
		}
	}
	return true
}
