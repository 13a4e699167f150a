package appspec

import "testing"

func TestDiffDeploy(t *testing.T) {
	base := func() *Spec {
		s := Default("blog", "/srv/blog")
		s.Deploy, s.Database = &Deploy{}, &Database{Engine: "postgresql", Name: "blog", Owner: "blog"}
		fill(s, "deploy", 0)
		fill(s, "database", 0)
		s.Deploy.Repository = "file:///srv/git"
		s.Deploy.Stages = []Stage{{Name: "migrate", Command: []string{"m"}, When: "before"}, {Name: "static", Command: []string{"s"}, When: "before"}}
		return s
	}
	for _, c := range []struct {
		change func(*Spec)
		want   string
	}{
		{func(s *Spec) {}, ""},
		{func(s *Spec) { s.Deploy.Branch = "main" }, `deploy.branch:  → "main" (nothing)`},
		{func(s *Spec) { s.Deploy.Nice = 0 }, `deploy.nice: 5 → 0 (nothing)`},
		{func(s *Spec) { s.Deploy.Env = map[string]string{"A": "1"} }, `deploy.env.A:  → "1" (nothing)`},
		{func(s *Spec) { s.Deploy.Stages[1].When = "after" }, `deploy.stage["static"].when: "before" → "after" (nothing)`},
		{func(s *Spec) { s.Deploy.Stages = s.Deploy.Stages[1:] }, `deploy.stage["migrate"]: { command = ["m"], timeout = "0s" } →  (nothing)`},
		{func(s *Spec) {
			s.Deploy.Stages = append([]Stage{{Name: "first", Command: []string{"f"}}}, s.Deploy.Stages...)
		}, `deploy.stage["first"]:  → { command = ["f"], timeout = "0s" } (nothing)`},
		{func(s *Spec) { s.Deploy.Stages = []Stage{s.Deploy.Stages[1], s.Deploy.Stages[0]} }, `deploy.stage: ["migrate", "static"] → ["static", "migrate"] (nothing)`},
		{func(s *Spec) { s.Database.Server = "db:5432" }, `database.server: "unix:/var/run/postgresql" → "db:5432" (nothing)`},
		{func(s *Spec) { s.Database = nil }, `database: { engine = "postgresql", name = "blog", owner = "blog" } →  (nothing)`},
		{func(s *Spec) { s.Deploy.Stages, s.Deploy = nil, nil }, `deploy: { repository = "file:///srv/git" } →  (nothing); ` +
			`deploy.stage["migrate"]: { command = ["m"], timeout = "0s" } →  (nothing); deploy.stage["static"]: { command = ["s"], timeout = "0s" } →  (nothing)`},
		{func(s *Spec) {
			s.Database.Admin, s.Deploy.Env = "postgres:x", map[string]string{"A": "1"}
			s.MarkSensitive("database.admin", true)
			s.MarkSensitive("deploy.env.A", true)
		}, `deploy.env.A:  → (sensitive) (nothing); database.admin:  → (sensitive) (nothing)`},
	} {
		after := base()
		c.change(after)
		if got := changesText(Diff(base(), after)); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
		if there, back := Diff(base(), after), Diff(after, base()); len(there) != len(back) || Kind(there) != Nothing {
			t.Errorf("there %s\nback  %s", changesText(there), changesText(back))
		}
	}
}
