package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
)

const readme = "../../README.md"

// consoles are the blocks of README that show what a command prints.
var consoles = regexp.MustCompile("(?s)```console\n\\$ \\./fleet ([^\n]*)\n(.*?)```")

// readmeMistake is the line that README misspells in the quickstart's hello.hcl.
const readmeMistake = "    coutn = 3\n"

// TestReadme types the console blocks of README: validate over the quickstart's
// own specs with the mistake in them, status and plan of a fleet as the quickstart's.
// UPDATE_SCRIPTS=1 writes what is printed now into README.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	blocks := consoles.FindAllStringSubmatch(string(text), -1)
	dir := t.TempDir()
	var script, files strings.Builder
	for i, b := range blocks {
		out := fmt.Sprintf("block%d.txt", i)
		fmt.Fprintf(&files, "-- %s --\n%s", out, b[2])
		switch b[1] {
		case "status", "plan --dir next":
			code := map[string]int{"status": 0, "plan --dir next": 2}[b[1]]
			fmt.Fprintf(&script, "exits %d fake %s\ncmp stdout %s\n", code, b[1], out)
		case "validate":
			fmt.Fprintf(&script, "exits 1 wsgid-fleet validate --dir wsgid.d\ncmp stderr %s\n", out)
		default:
			t.Errorf("README shows ./fleet %s, which is not typed here", b[1])
		}
	}
	if len(blocks) < 3 {
		t.Fatalf("README has %d console blocks", len(blocks))
	}
	hello, err := os.ReadFile("../../examples/quickstart/wsgid.d/hello.hcl")
	if err != nil {
		t.Fatal(err)
	}
	broken := regexp.MustCompile(`(?m)^    count = 2.*\n`).ReplaceAllString(string(hello), readmeMistake)
	if broken == string(hello) {
		t.Fatal("hello.hcl of the quickstart has no count = 2 to misspell")
	}
	described, err := json.Marshal(readmeFleet())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&files, "-- fleet.json --\n%s\n-- wsgid.d/hello.hcl --\n%s", described, broken)
	path := filepath.Join(dir, "readme.txtar")
	if err := os.WriteFile(path, []byte("env FAKE=fleet.json\n"+script.String()+"\n"+files.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	update := os.Getenv("UPDATE_SCRIPTS") != ""
	if update {
		t.Cleanup(func() { updateReadme(t, path, string(text)) })
	}
	testscript.Run(t, testscript.Params{Dir: dir, UpdateScripts: update,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits}})
}

// updateReadme puts the outputs that testscript has written into the script back
// into README.
func updateReadme(t *testing.T, script, text string) {
	t.Helper()
	b, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	i := -1
	text = consoles.ReplaceAllStringFunc(text, func(block string) string {
		i++
		command, _, _ := strings.Cut(block[len("```console\n"):], "\n")
		_, out, _ := strings.Cut(string(b), fmt.Sprintf("-- block%d.txt --\n", i))
		out, _, _ = strings.Cut(out, "\n-- ")
		return "```console\n" + command + "\n" + out + "\n```"
	})
	if err := os.WriteFile(readme, []byte(text), 0o644); err != nil { //nolint:gosec // a page of the repository
		t.Fatal(err)
	}
}

// readmeFleet is the quickstart's fleet four seconds after its start, and the
// plan after the edit of count.
func readmeFleet() fakeFleet {
	since := time.Date(2026, 1, 2, 3, 4, 1, 0, time.UTC) // startFake: 4 s later
	f := fakeFleet{FStatus: fleet.Status{Daemon: &fleet.DaemonStatus{PID: 19963, Since: since, Dir: "/home/you/wsgid-fleet/demo/wsgid.d"}}}
	for _, a := range []struct {
		name    string
		workers int
		mib     int64
	}{{"hello", 2, 13}, {"m2", 1, 23}, {"polls", 2, 46}} {
		s := fleet.AppStatus{Name: a.name, State: string(runner.StateReady), Desired: state.Desired{Min: a.workers, Max: a.workers}}
		s.Master = &fleet.MasterStatus{PID: 19970, Since: since, RSS: 11 << 20}
		for range a.workers {
			s.Workers = append(s.Workers, runner.WorkerInfo{State: runner.WorkerIdle, Since: since, RSS: a.mib << 20})
		}
		f.FStatus.Apps = append(f.FStatus.Apps, s)
	}
	f.FStatus.Gate = &fleet.GateStatus{State: string(runner.StateReady), Listen: []string{"127.0.0.1:8080", "127.0.0.1:8443"},
		Master: &fleet.MasterStatus{PID: 19969, Since: since}, Counts: &gate.Counts{}}
	change := appspec.Change{Path: "workers.count", Old: "2", New: "4", Disruption: appspec.Live}
	f.FPlan = plan.Plan{Apps: []plan.AppPlan{{App: "hello", File: "wsgid.d/hello.hcl", Why: "workers.count changes", Disruption: appspec.Live, Changes: []appspec.Change{change},
		Actions: []plan.Action{
			{Kind: plan.ActionRepair, Reason: "the app folder differs from the spec", Detail: []string{"apps/hello/wsgid.json: rewrite the file (it differs from the spec)"}},
			{Kind: plan.ActionUpdate, Reason: "workers.count changes"},
		}}, {App: "m2"}, {App: "polls"}, {App: appspec.GateName}}}
	return f
}
