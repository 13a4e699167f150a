package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// movingFleet answers one status after the other, and ends the watch after the
// last.
type movingFleet struct {
	fakeFleet
	answers []any // *fleet.Status or error
	end     context.CancelFunc
}

func (f *movingFleet) Status(context.Context) (*fleet.Status, error) {
	if len(f.answers) == 1 {
		f.end()
	}
	answer := f.answers[0]
	f.answers = f.answers[1:]
	if err, ok := answer.(error); ok {
		return nil, err
	}
	return answer.(*fleet.Status), nil
}

func ready(total uint64) *fleet.Status {
	return &fleet.Status{Apps: []fleet.AppStatus{{
		Name: "blog", State: string(runner.StateReady), Master: &fleet.MasterStatus{PID: 10},
		Requests: runner.RequestCounts{Total: total},
	}}}
}

// watch runs --watch on a terminal of a size over the answers.
func watch(t *testing.T, width, height int, env map[string]string, answers ...any) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	c := newCLI()
	c.out = &out
	c.getenv = func(name string) string { return env[name] }
	c.outWidth, c.outHeight = func() int { return width }, func() int { return height }
	now := time.Unix(1000, 0)
	c.now = func() time.Time { now = now.Add(2 * time.Second); return now }
	// The last answer ends the watch before it is drawn.
	answers = append(answers, errors.New("end"))
	if err := c.watchStatus(ctx, &movingFleet{answers: answers, end: cancel}, nil, false, time.Millisecond); err != nil {
		t.Error(err)
	}
	return out.String()
}

func TestWatchRedrawsInPlace(t *testing.T) {
	got := watch(t, 80, 24, map[string]string{"NO_COLOR": "1"}, ready(100), errors.New("cannot reach the daemon"), ready(400))
	pictures := strings.Split(got, "\x1b[H")
	if len(pictures) != 4 || pictures[0] != "\x1b[2J" {
		t.Fatalf("it drew %d pictures: %q", len(pictures)-1, got)
	}
	for i, picture := range pictures[1:] {
		if !strings.HasSuffix(picture, "\x1b[K\n\x1b[J") {
			t.Errorf("picture %d leaves the rest of the one before: %q", i, picture)
		}
	}
	if !strings.Contains(pictures[2], "cannot reach the daemon") {
		t.Errorf("a fleet that does not answer is shown as %q", pictures[2])
	}
	// 300 requests in 2 seconds; the clock of the test is asked once a picture.
	if fields := strings.Fields(strings.Split(pictures[3], "\n")[1]); fields[3] != "150" {
		t.Errorf("the rate is %s, want 150: %q", fields[3], pictures[3])
	}
	if strings.Contains(got, "\x1b[3") {
		t.Errorf("colour in spite of NO_COLOR: %q", got)
	}
}

func TestWatchColours(t *testing.T) {
	if got := watch(t, 80, 24, nil, ready(1)); !strings.Contains(got, "\x1b[32mready\x1b[0m") {
		t.Errorf("no colour on a terminal: %q", got)
	}
	if got := watch(t, 80, 24, map[string]string{"TERM": "dumb"}, ready(1)); strings.Contains(got, "\x1b[3") {
		t.Errorf("colour on a dumb terminal: %q", got)
	}
	if got := watch(t, 0, 0, nil, ready(1), ready(2)); strings.Contains(got, "\x1b") {
		t.Errorf("control codes in a file: %q", got)
	}
}

func TestWatchOnALowTerminal(t *testing.T) {
	s := &fleet.Status{}
	for range 50 {
		s.Apps = append(s.Apps, ready(1).Apps[0])
	}
	got := watch(t, 80, 10, map[string]string{"NO_COLOR": "1"}, s)
	if n := strings.Count(got, "\n"); n != 9 {
		t.Errorf("%d lines on a terminal of 10", n)
	}
	if !strings.Contains(got, "… 45 more lines") {
		t.Errorf("what is left out is not told: %q", got)
	}
}

// Whether an app shares its Python is told, and why it does not; not where nobody does.
func TestStatusTellsOfASharedPython(t *testing.T) {
	why := "virtualenv has a Python of its own"
	for name, c := range map[string]struct {
		stem      int
		unforked  string
		one, wide string
	}{
		"nobody": {},
		"shared": {stem: 77, one: "\npython    shared with other apps, by pid 77\n", wide: "  shared\n"},
		"own":    {unforked: why, one: "\npython    not shared with other apps: " + why + "\n", wide: "own: " + why},
	} {
		s := ready(1)
		s.Apps[0].Master.Stem, s.Apps[0].Master.Unforked = c.stem, c.unforked
		var one, wide bytes.Buffer
		statusView{now: time.Unix(2000, 0), one: true}.write(&one, s)
		statusView{now: time.Unix(2000, 0), wide: true}.write(&wide, s)
		if !strings.Contains(one.String(), c.one) || strings.Contains(one.String(), "python ") != (c.one != "") {
			t.Errorf("%s: status APP: %s", name, &one)
		}
		if !strings.Contains(wide.String(), c.wide) || strings.Contains(wide.String(), "PYTHON") != (c.wide != "") {
			t.Errorf("%s: status -o wide: %s", name, &wide)
		}
	}
}

// What is broken in a file is told with the command that shows it; what cannot be read at all says
// itself what to do.
func TestStatusTellsOfABrokenFile(t *testing.T) {
	const more = "\nsee the lines, and what to write: wsgid-fleet validate\n"
	for _, c := range []struct {
		fault hclspec.Fault
		more  bool
	}{
		{hclspec.Fault{File: "/etc/wsgid.d/defaults.hcl", Summary: "/etc/wsgid.d/defaults.hcl:2:3: unknown attribute", Text: "Error: unknown attribute\n  2: x = 1\n"}, true},
		{hclspec.Fault{File: "/none", Summary: "cannot read spec directory /none: create it", Text: "cannot read spec directory /none: create it"}, false},
	} {
		var out bytes.Buffer
		statusView{now: time.Unix(2000, 0)}.write(&out, &fleet.Status{Faults: []hclspec.Fault{c.fault}})
		if !strings.Contains(out.String(), "\nbroken: "+c.fault.Summary+"\n") || strings.Contains(out.String(), more) != c.more {
			t.Errorf("%s", &out)
		}
	}
}

// No line of any picture is wider than the terminal, and where a name and a reason have
// room they are there whole.
func TestPicturesFitTheTerminal(t *testing.T) {
	long := "n" + strings.Repeat("ame", 20) + "63"
	endless := strings.Repeat("reason", 166) + strings.Repeat(" because", 125)
	for name, reason := range map[string]string{
		"blog": "ModuleNotFoundError: No module named 'a_very_long_name_of_a_module_that_has_no_blank_in_it'; next try in 4s",
		long:   endless,
	} {
		app := ready(123456).Apps[0]
		app.Name, app.Reason = name, reason
		app.State = "backoff"
		app.Master.Unforked = "env has PYTHONHASHSEED, which is read before Python runs anything"
		for width := 30; width < 200; width += 5 {
			for i := range 3 {
				wide, one := i == 1, i == 2
				var b bytes.Buffer
				v := statusView{style: style{width: width}, now: time.Unix(2000, 0), wide: wide, one: one, watch: true}
				v.write(&b, &fleet.Status{Apps: []fleet.AppStatus{app}})
				for line := range strings.Lines(b.String()) {
					if n := columns(strings.TrimRight(line, "\n")); n > width {
						t.Errorf("at width %d, wide %t, one %t, a line has %d columns: %q", width, wide, one, n, line)
					}
				}
				said := strings.Join(strings.Fields(b.String()), "")
				if width >= 75 && !strings.Contains(b.String(), name+"  ") || !strings.Contains(said, strings.Join(strings.Fields(reason), "")) {
					t.Errorf("at width %d, wide %t, one %t, name or reason is not whole: %s", width, wide, one, &b)
				}
			}
		}
	}
}

// Another master of the same app counts from 0: no rate from two different ones.
func TestRateOfAnotherMaster(t *testing.T) {
	s := takeSample(time.Unix(0, 0), ready(1000))
	next := ready(10).Apps[0]
	next.Master = &fleet.MasterStatus{PID: 11}
	if rate, ok := s.rate(time.Unix(1, 0), next); ok {
		t.Errorf("rate %v across two masters", rate)
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		age(-time.Second): "0s", age(59 * time.Second): "59s", age(61 * time.Minute): "1h01m", age(49 * time.Hour): "2d1h",
		latency(0): none, latency(0.44): "0.4ms", latency(12.3): "12ms", latency(1500): "1.5s",
		size(0): "0B", size(999): "999B", size(1000): "1.0KiB", size(45 << 20): "45MiB", size(3 << 40): "3.0TiB",
		number(0): "0", number(9.5): "9.5", number(12345): "12.3k", number(4.1e6): "4.1M",
		count(1, "app"): "1 app", count(0, "app"): "0 apps",
		cut("abcdef", 4): "abc…", cut("abc", 4): "abc", oneLine("a\n b\x1b[1m"): "a b\uFFFD[1m",
		didYouMean("blgo", []string{"blog", "shop"}): `; did you mean "blog"?`, didYouMean("x", []string{"y", "ab"}): "",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
