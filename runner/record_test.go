package runner

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// A master is newer than another one whatever the clock has said.
func TestNewerThan(t *testing.T) {
	now := time.Now()
	at := func(ticks uint64, since time.Duration) Record {
		return Record{StartTime: ticks, Since: now.Add(since)}
	}
	for _, tt := range []struct {
		name string
		a, b Record
		want bool
	}{
		{"later", at(200, time.Second), at(100, 0), true},
		{"earlier", at(100, 0), at(200, time.Second), false},
		{"later, and the clock was set back", at(200, -time.Hour), at(100, 0), true},
		{"in the same tick, later", at(100, time.Millisecond), at(100, 0), true},
		{"in the same tick, earlier", at(100, 0), at(100, time.Millisecond), false},
		{"itself", at(100, 0), at(100, 0), false},
	} {
		if got := tt.a.NewerThan(tt.b); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// Who waits for a master that has ended before he came takes its record away: a gate
// that is not root any more cannot.
func TestWaitForAMasterThatIsGone(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	h := &Handle{dir: t.TempDir(), Record: Record{App: "_gate", PID: cmd.Process.Pid, StartTime: 1}}
	if err := h.Write(h.dir); err != nil {
		t.Fatal(err)
	}
	if err := h.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(h.dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
