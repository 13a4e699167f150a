package deploy

import (
	"slices"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

func TestSettle(t *testing.T) {
	e := &Entry{ID: "7", Result: ResultRunning}
	for _, tt := range []struct {
		name    string
		result  string
		current *Record
		want    Fate
	}{
		{"it had ended", ResultFailed, nil, Leave},
		{"before the rollout of a first deploy", ResultRunning, nil, GiveUp},
		{"before the rollout", ResultRunning, &Record{Deploy: "6"}, GiveUp},
		{"from the rollout on", ResultRunning, &Record{Deploy: "7"}, Finish},
	} {
		e.Result = tt.result
		if got := FateOf(e, tt.current); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestPrunable(t *testing.T) {
	entry := func(id, kind, result string) *Entry {
		return &Entry{ID: id, Kind: kind, Result: result, Release: id}
	}
	gone := entry("1", KindDeploy, ResultOK)
	gone.Pruned = true
	book := []*Entry{
		entry("9", KindDeploy, ResultRunning), entry("8", KindDeploy, ResultFailed), entry("7", KindRollback, ResultOK),
		entry("6", KindDeploy, ResultOK), entry("5", KindDeploy, ResultOK), entry("4", KindDeploy, ResultOK),
		entry("3", KindDeploy, ResultInterrupted), entry("2", KindDeploy, ResultOK), gone,
	}
	for _, tt := range []struct {
		keep  int
		inUse []string
		want  string
	}{
		{5, nil, "8 3"},
		{2, nil, "8 4 3 2"},
		{1, []string{"4", "6"}, "8 5 3 2"},
		{0, []string{"6"}, "8 5 4 3 2"},
		{2, []string{"9"}, "8 5 4 3 2"},
	} {
		if got := strings.Join(prunable(book, tt.keep, tt.inUse), " "); got != tt.want {
			t.Errorf("keep %d, in use %v: %s go, want %s", tt.keep, tt.inUse, got, tt.want)
		}
	}
}

func TestSteps(t *testing.T) {
	spec := appspec.Default("blog", "/srv/blog")
	spec.Deploy = &appspec.Deploy{}
	names := func() string {
		var all []string
		for _, s := range Steps(spec) {
			all = append(all, s.Name)
		}
		return strings.Join(all, " ")
	}
	if got, want := names(), "fetch unpack compile rollout health switch prune"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	spec.Deploy.Requirements = []string{"requirements.txt"}
	spec.Deploy.Install = true
	spec.Database = &appspec.Database{}
	spec.Deploy.Stages = []appspec.Stage{{Name: "notify", When: "after"}, {Name: "migrate", When: "before"}, {Name: "static", When: "before"}}
	if got, want := names(), "fetch unpack virtualenv install compile database migrate static rollout health switch notify prune"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	i := slices.IndexFunc(Steps(spec), func(s Step) bool { return !s.Before() })
	if got := Steps(spec)[i].Name; got != StageRollout {
		t.Errorf("%s is the first that touches what serves", got)
	}
}

func TestEarlier(t *testing.T) {
	entry := func(id, kind, result string) *Entry {
		return &Entry{ID: id, Kind: kind, Result: result, Release: id, Commit: "c" + id}
	}
	pruned := entry("1", KindDeploy, ResultOK)
	pruned.Pruned = true
	lost := entry("0", KindDeploy, ResultOK)
	lost.Release = ""
	book := []*Entry{entry("8", KindDeploy, ResultRunning), entry("7", KindDeploy, ResultInterrupted), entry("6", KindDeploy, ResultFailed), entry("5", KindRollback, ResultOK), entry("4", KindDeploy, ResultOK),
		entry("3", KindDeploy, ResultFailed), entry("2", KindDeploy, ResultOK), pruned, lost}
	at := func(id string) *Record { return &Record{Release: appspec.Release{ID: id}} }
	for _, tt := range []struct {
		cur  *Record
		id   string
		want string
	}{
		{at("4"), "", "2"},
		{at("4"), "2", "2"},
		{at("2"), "4", "4"},
		{at("2"), "", "cannot roll blog back: there is no good release before 2; list them with: wsgid-fleet deploys blog"},
		{nil, "", "cannot roll blog back: no deploy of it is known; deploy it with: wsgid-fleet deploy blog"},
		{at("4"), "4", "cannot roll blog back to 4: that release is the current one"},
		{at("4"), "3", "cannot roll blog back to 3: that deploy failed"},
		{at("4"), "7", "cannot roll blog back to 7: that deploy was interrupted"},
		{at("4"), "8", "cannot roll blog back to 8: that deploy is still running"},
		{at("4"), "0", "cannot roll blog back to 0: that deploy left no release"},
		{at("4"), "5", "cannot roll blog back to 5: that was a rollback itself, to 5"},
		{at("4"), "1", "cannot roll blog back to 1: its release was removed (keep = in the deploy block); deploy its commit again: wsgid-fleet deploy blog --commit c1"},
		{at("4"), "9", `cannot roll blog back: no deploy "9"; list them with: wsgid-fleet deploys blog`},
	} {
		e, err := Earlier("blog", book, tt.cur, tt.id)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = e.ID
		}
		if got != tt.want {
			t.Errorf("from %v to %q: %s, want %s", tt.cur, tt.id, got, tt.want)
		}
	}
}

// Who rolls back from a bad release, deploys a second bad one and rolls back again is not
// brought back to the first bad one.
func TestRollbackGoesToWhatServedBefore(t *testing.T) {
	entry := func(id, kind, release string) *Entry {
		return &Entry{ID: id, Kind: kind, Result: ResultOK, Release: release}
	}
	book := []*Entry{entry("6", KindDeploy, "6"), {ID: "5", Kind: KindDeploy, Result: ResultFailed, Release: "5"}, entry("4", KindRollback, "2"),
		entry("3", KindDeploy, "3"), entry("2", KindDeploy, "2"), entry("1", KindDeploy, "1")}
	for _, tt := range []struct {
		book     []*Entry
		cur      string
		want, is string
	}{
		{book, "6", "2", "the one that served when it was deployed"},
		{book, "3", "2", "what it was rolled back to"},
		{book, "2", "1", "a second time"},
		{append([]*Entry{entry("7", KindRollback, "3")}, book...), "3", "2", "after the bad one was asked for by its id"},
		{book[1:], "6", "3", "the newest one, where the entry of the current one cannot be read"},
	} {
		e, err := Earlier("blog", tt.book, &Record{Release: appspec.Release{ID: tt.cur}}, "")
		if err != nil || e.ID != tt.want {
			t.Errorf("from %s: %+v, %v, want %s, %s", tt.cur, e, err, tt.want, tt.is)
		}
	}
	pruned := *book[4]
	pruned.Pruned = true
	book[4] = &pruned
	if e, err := Earlier("blog", book, &Record{Release: appspec.Release{ID: "6"}}, ""); err != nil || e.ID != "1" {
		t.Errorf("with 2 removed: %+v, %v, want 1", e, err)
	}
}

// A deploy whose process was killed says what its stages may have changed, as a failed
// one does.
func TestWhatAKilledDeployHasChanged(t *testing.T) {
	e := &Entry{Stages: []StageRecord{{Name: StageFetch, Result: ResultOK}, {Name: StageCompile, Result: ResultRunning}}}
	if got := e.Left(); got != "the running app was not changed" {
		t.Error(got)
	}
	e.Stages = append(e.Stages, StageRecord{Name: "migrate", Result: ResultOK}, StageRecord{Name: "static", Result: ResultRunning})
	if got := e.Left(); got != "before that migrate and static ran in the new release: its changes remain; the running app was not changed" {
		t.Error(got)
	}
}

// What a deploy does by itself has names that no stage of the spec can have.
func TestOwnStagesAreThoseOfEveryDeploy(t *testing.T) {
	steps := Steps(&appspec.Spec{Deploy: &appspec.Deploy{Install: true}, Database: &appspec.Database{}})
	for _, s := range append(steps, RollbackSteps()...) {
		if !slices.Contains(appspec.OwnStages, s.Name) {
			t.Errorf("a spec may have a stage %q as well", s.Name)
		}
	}
}

// Where a module belongs that a stage did not find depends on where its Python has modules from.
func TestMissingModule(t *testing.T) {
	const ends = "Traceback (most recent call last):\n  File \"manage.py\", line 5, in <module>\nModuleNotFoundError: No module named 'django'\n"
	for _, c := range []struct {
		name, output, want string
		spec               appspec.Spec
		deploy             appspec.Deploy
	}{
		{name: "pip's files", output: ends, deploy: appspec.Deploy{Requirements: []string{"a.txt", "b.txt"}}, want: "; django is not installed: name it in a.txt or b.txt"},
		{name: "a virtualenv", output: ends, spec: appspec.Spec{Virtualenv: "venv"}, want: "; django is not installed in the virtualenv: install it there, or name "},
		{name: "the project's own", output: ends, deploy: appspec.Deploy{Install: true}, want: "; django is not installed in the virtualenv: install it there, or name "},
		{name: "earlier", output: ends + "done\nit goes on\nbut not for long\n"},
		{name: "nothing", output: ""},
	} {
		c.spec.Deploy = &c.deploy
		got := (&Deployer{Spec: &c.spec}).missingModule(c.output)
		if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
