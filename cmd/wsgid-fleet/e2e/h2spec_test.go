package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	"github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"
)

// h2specEnv has this program play h2spec's cases, and holds an h2specRun. They run in a
// process of their own: a connection that cannot be made ends it.
const h2specEnv = "WSGID_TEST_H2SPEC"

type h2specRun struct {
	Addr    string
	Timeout time.Duration // how long a case waits for an answer
	Cases   []string      // empty: all
	Out     string        // the file for what failed, by case, and how many passed
}

type h2specResult struct {
	Passed int
	Failed map[string]string
}

func playH2spec(text string) error {
	var run h2specRun
	if err := json.Unmarshal([]byte(text), &run); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(run.Addr)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	c := &config.Config{Host: host, Port: number, Path: "/", Timeout: run.Timeout, MaxHeaderLen: 4000, TLS: true, Insecure: true, Strict: true, Sections: run.Cases}
	out := h2specResult{Failed: map[string]string{}}
	var collect func(g *spec.TestGroup)
	collect = func(g *spec.TestGroup) {
		for i, one := range append(slices.Clone(g.Tests), g.StrictTests...) {
			switch {
			case one.Result == nil || one.Result.Skipped:
			case one.Result.Failed:
				out.Failed[fmt.Sprintf("%s/%d", g.ID(), i+1)] = one.Desc + ": " + fmt.Sprint(one.Result.Error)
			default:
				out.Passed++
			}
		}
		for _, sub := range g.Groups {
			collect(sub)
		}
	}
	for _, g := range []*spec.TestGroup{generic.Spec(), http2.Spec(), hpack.Spec()} {
		g.Test(c)
		collect(g)
	}
	b, err := json.Marshal(out)
	if err != nil {
		return err
	}
	return os.WriteFile(run.Out, b, 0o600)
}

// h2spec plays cases against a server; an empty list means all.
func h2spec(t *testing.T, addr string, timeout time.Duration, cases ...string) h2specResult {
	t.Helper()
	run := h2specRun{Addr: addr, Timeout: timeout, Cases: cases, Out: filepath.Join(t.TempDir(), "out")}
	text, err := json.Marshal(run)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), h2specEnv+"="+string(text))
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	var out h2specResult
	b, err := os.ReadFile(run.Out)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// h2specKnown are the cases that Go's own server (net/http) does not pass either, whose
// protocol layer is ours, and why that does no harm.
var h2specKnown = map[string]string{
	"http2/4.2/3":     "it takes larger frames than the least that a server must, and says so in its SETTINGS",
	"http2/6.5.3/1":   "it ends a connection that sets one setting twice in a frame",
	"http2/8.1.2.2/1": "it answers a Connection field with 400, and does not reset the stream",
	"http2/8.1.2.2/2": "it answers a TE field other than trailers with 400, and does not reset the stream",
}

// TestH2spec: HTTPS through the gate passes what h2spec asks of HTTP/2, but for what
// Go's own server does otherwise, too.
func TestH2spec(t *testing.T) {
	who := someone(t)
	b, _, secure, a := secured(t, who, "")
	_, port, _ := net.SplitHostPort(secure)
	const name = "localhost"
	a.issue(filepath.Join(b.demo, "alpha.pem"), who, "alpha.test", name)
	b.replace("wsgid.d/alpha.hcl", `"alpha.test", `, `"alpha.test", "`+name+`", `)
	b.run()
	b.awaitGate(0)
	wantSecure(t, secure, name, "alpha", a.trust(name))

	ours := h2spec(t, net.JoinHostPort(name, port), time.Second)
	t.Logf("%d cases passed", ours.Passed)
	if all := ours.Passed + len(ours.Failed); all < 140 {
		t.Errorf("only %d cases were played", all)
	}
	for _, id := range slices.Sorted(maps.Keys(ours.Failed)) {
		if h2specKnown[id] != "" {
			continue
		}
		// Each case has a time limit: on a busy machine one comes too late. What is
		// wrong is so every time.
		why := ours.Failed[id]
		for i := 0; i < 3 && why != ""; i++ {
			why = h2spec(t, net.JoinHostPort(name, port), 10*time.Second, id).Failed[id]
		}
		if why != "" {
			t.Errorf("%s %s", id, strings.TrimSpace(why))
		}
	}
}
