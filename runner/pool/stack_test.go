package pool

import (
	"strings"
	"testing"
)

// Why a thread cannot be asked, or does not answer, by what the kernel says of it.
func TestWhyThereIsNoStack(t *testing.T) {
	t.Parallel()
	status := func(state, pending, blocked, takes string) string {
		return "Name:\tx\nUmask:\t0022\nState:\t" + state + "\nTgid:\t70\nPid:\t71\nNSpid:\t71\t9\nSigQ:\t0/1\nSigPnd:\t" + pending +
			"\nShdPnd:\t0000000000000000\nSigBlk:\t" + blocked + "\nSigIgn:\t0000000001001000\nSigCgt:\t" + takes + "\n"
	}
	const none, urgent = "0000000000000000", "0000000000400000"
	for want, text := range map[string]string{
		"":                     status("S (sleeping)", none, none, urgent),
		"does not take SIGURG": status("S (sleeping)", none, none, none),
		"its thread blocks":    status("S (sleeping)", none, urgent, urgent),
		"in the kernel":        status("D (disk sleep)", urgent, none, urgent),
		"a debugger":           status("t (tracing stop)", urgent, none, urgent),
		"state R (running)":    status("R (running)", urgent, none, urgent),
		"it says nothing of":   "State:\tS (sleeping)\n",
		`parsing "zz"`:         status("S (sleeping)", "zz", none, none),
	} {
		th, err := parseThread(text)
		got := ""
		switch {
		case err != nil:
			got = err.Error()
		case th.inner != "9":
			t.Errorf("%s: its number is %q", want, th.inner)
		default:
			if got = th.mute(); got == "" && !th.settled() {
				got = th.stuck(1<<30, 1<<30)
			}
		}
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A stack is what the application has called; what the worker writes is bounded, and no
// more than text.
func TestLinesOfAStack(t *testing.T) {
	t.Parallel()
	call := func(file, f string) string { return `  File "` + file + `", line 12 in ` + f + "\n" }
	const head = "Stack (most recent call first):\n"
	host := call("/usr/lib/x/wsgid/serve.py", "handle") + call("/usr/lib/x/wsgid/serve.py", "run") + call("/usr/lib/x/wsgid/worker.py", "main")
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"an app":      {head + call("/srv/app.py", "view") + call("/srv/app.py", "application") + host, []string{`File "/srv/app.py", line 12 in view`, `File "/srv/app.py", line 12 in application`}},
		"the worker":  {head + host, []string{`File "/usr/lib/x/wsgid/serve.py", line 12 in handle`}},
		"nothing":     {head, nil},
		"escapes":     {head + "  \x1b[31mred \u202e\xff\n", []string{"?[31mred ??"}},
		"a long line": {head + "  " + strings.Repeat("x", 2000) + "\n", []string{strings.Repeat("x", maxStackLine)}},
	} {
		if got := stackLines(c.text); strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if got := stackLines(strings.Repeat(call("/srv/app.py", "deep"), 5000)); len(got) != 101 || got[100] != "..." {
		t.Errorf("%d lines of an endless stack", len(got))
	}
}
