package appdir

import (
	"os"
	"os/exec"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// startChild starts a process that lives as long as the test.
func startChild(t *testing.T) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

// deadPID is the number of a process that has ended and was reaped.
func deadPID(t *testing.T) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

func TestProcAlive(t *testing.T) {
	start, err := StartTime(os.Getpid())
	if err != nil || start == 0 {
		t.Fatalf("start time %d, %v", start, err)
	}
	for _, tt := range []struct {
		pid   int
		start uint64
		want  bool
	}{
		{os.Getpid(), start, true}, {os.Getpid(), 0, true}, {os.Getpid(), start + 1, false},
		{deadPID(t), 0, false}, {0, 0, false}, {-1, 0, false}, {1 << 30, 0, false},
	} {
		if got := ProcAlive(tt.pid, tt.start); got != tt.want {
			t.Errorf("ProcAlive(%d, %d) = %v", tt.pid, tt.start, got)
		}
	}
}

// A process that has ended but was not reaped is not alive.
func TestProcAliveZombie(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !ProcAlive(cmd.Process.Pid, 0) {
		t.Error("a live process counts as dead")
	}
	in.Close()
	if _, err := out.Read(make([]byte, 1)); err == nil {
		t.Error("cat wrote something")
	}
	await.True(t, "the zombie to count as dead", func() bool { return !ProcAlive(cmd.Process.Pid, 0) })
	_ = cmd.Wait()
}

func TestParseStat(t *testing.T) {
	const rest = " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21"
	for in, want := range map[string]uint64{
		"12 (sleep) S" + rest:          4711,
		"12 (a) R 1 2 (b)) Z" + rest:   4711,
		"12 (new\nline) ( x) S" + rest: 4711,
	} {
		if _, got, err := parseStat([]byte(in)); err != nil || got != want {
			t.Errorf("parseStat(%q) = %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "12", "12 (sleep", "12 (sleep) S 1 2", "12 (sleep) SS" + rest, "12 (sleep) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x 20"} {
		if _, got, err := parseStat([]byte(in)); err == nil {
			t.Errorf("parseStat(%q) = %d, want an error", in, got)
		}
	}
}
