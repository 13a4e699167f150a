package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/sockets"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/master"
)

// The test binary is four programs: the tests, the real wsgid-fleet (whose
// masters are this binary executed again), "fake": the same command line over a
// fleet that a JSON file describes, and a client (load_test.go).
func TestMain(m *testing.M) {
	master.Main()
	sockets.Main()
	if url := os.Getenv(loadEnv); url != "" {
		runLoad(url)
		return
	}
	testscript.Main(m, map[string]func(){
		"wsgid-fleet": func() { os.Exit(start()) },
		"fake":        func() { os.Exit(startFake()) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits runs a program and checks its exit code: exits CODE PROGRAM ARG...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG...]")
	}
	code := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("cannot run %s: %v", args[1], err)
	}
	if want, err := strconv.Atoi(args[0]); err != nil || code != want {
		ts.Fatalf("%s ended with exit code %d, want %s", args[1], code, args[0])
	}
}

func startFake() int {
	c := newCLI()
	at, err := time.Parse(time.RFC3339, "2026-01-02T03:04:05Z")
	if err != nil {
		panic(err)
	}
	c.now = func() time.Time { return at }
	c.connect = connectFake
	if n := os.Getenv("FAKE_COLUMNS"); n != "" {
		width := 0
		fmt.Sscan(n, &width)
		c.outWidth = func() int { return width }
		c.errWidth = func() int { return width }
	}
	return c.execute(context.Background(), os.Args[1:])
}

// fakeFleet answers what a file says; it notes what it was asked on standard
// error where the file wants that.
type fakeFleet struct {
	FStatus  fleet.Status         `json:"status"`
	FPlan    plan.Plan            `json:"plan"`
	Events   []fleet.Event        `json:"events"`
	Results  []fleet.Result       `json:"results"`
	Error    string               `json:"error"`
	Announce bool                 `json:"announce"`
	Book     []*deploy.Entry      `json:"book"`
	Stuck    []runner.ThreadStack `json:"stuck"`
}

func connectFake(_ context.Context, o fleet.Options) (fleet.Operator, error) {
	b, err := os.ReadFile(os.Getenv("FAKE"))
	if err != nil {
		return nil, err
	}
	f := &fakeFleet{}
	return f, json.Unmarshal(b, f)
}

func (f *fakeFleet) do(verb string, apps any, progress func(fleet.Event)) ([]fleet.Result, error) {
	if f.Announce {
		fmt.Fprintln(os.Stderr, "asked:", verb, apps)
	}
	if f.Error != "" {
		return nil, fmt.Errorf("%s", f.Error)
	}
	for _, e := range f.Events {
		progress(e)
	}
	return f.Results, nil
}

func (f *fakeFleet) Deploy(_ context.Context, o fleet.DeployOrder, p func(fleet.Event)) ([]fleet.Result, error) {
	return f.do("deploy", o.App, p)
}

func (f *fakeFleet) Deploys(context.Context, []string) ([]*deploy.Entry, error) { return f.Book, nil }

func (f *fakeFleet) Plan(context.Context, []string) (*plan.Plan, error) { return &f.FPlan, nil }
func (f *fakeFleet) Status(context.Context) (*fleet.Status, error)      { return &f.FStatus, nil }
func (f *fakeFleet) Stacks(context.Context, string) ([]runner.ThreadStack, error) {
	if f.Error != "" {
		return nil, errors.New(f.Error)
	}
	return f.Stuck, nil
}
func (f *fakeFleet) Close() error { return nil }

func (f *fakeFleet) Apply(_ context.Context, apps []string, p func(fleet.Event)) ([]fleet.Result, error) {
	return f.do("apply", apps, p)
}

func (f *fakeFleet) Start(_ context.Context, apps []string, p func(fleet.Event)) ([]fleet.Result, error) {
	return f.do("start", apps, p)
}

func (f *fakeFleet) Stop(_ context.Context, apps []string, p func(fleet.Event)) ([]fleet.Result, error) {
	return f.do("stop", apps, p)
}

func (f *fakeFleet) Restart(_ context.Context, apps []string, p func(fleet.Event)) ([]fleet.Result, error) {
	return f.do("restart", apps, p)
}

func (f *fakeFleet) Reload(_ context.Context, apps []string, p func(fleet.Event)) ([]fleet.Result, error) {
	return f.do("reload", apps, p)
}

func (f *fakeFleet) Scale(_ context.Context, counts map[string]int, p func(fleet.Event)) ([]fleet.Result, error) {
	return f.do("scale", counts, p)
}

func (f *fakeFleet) Trigger(_ context.Context, o fleet.TriggerOrder, p func(fleet.Event)) ([]fleet.Result, error) {
	return f.do("trigger", fmt.Sprintf("%s %s wait=%v", o.App, o.Schedule, o.Wait), p)
}
