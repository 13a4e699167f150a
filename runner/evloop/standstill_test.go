package evloop

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// limit is that of the loop which is to stand still.
const limit = time.Second

// TestWhatCameWhileTheProcessStoodStill, or the machine, was in time: it is handed out before
// the timer that says that it did not come. A process of its own is stopped, has a byte
// sent to it, and goes on when the timer is overdue.
func TestWhatCameWhileTheProcessStoodStill(t *testing.T) {
	t.Parallel()
	const mark = "WSGID_TEST_STANDSTILL"
	if how := os.Getenv(mark); how != "" {
		standStill(t, how == "beside others")
		return
	}
	for _, how := range []string{"alone", "beside others"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			for try := 0; ; try++ {
				said, inTime := freeze(t, mark+"="+how)
				if inTime {
					if said != "a byte\nthe limit\n" {
						t.Errorf("it says %q", said)
					}
					return
				}
				if try == 20 {
					t.Fatal("on this machine it is never stopped within its limit")
				}
			}
		})
	}
}

// freeze has the loop stand still over its limit, and returns what it says; false: it was
// not stopped, or not asked, before that.
func freeze(t *testing.T, mark string) (said string, inTime bool) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run", "^TestWhatCameWhileTheProcessStoodStill$", "-test.count", "1")
	cmd.Env = append(os.Environ(), mark)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); line != "ready\n" {
		t.Fatalf("it says %q, %v", line, err)
	}
	ready := time.Now()
	state := func() byte { // of its state, as ps tells it
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		_, rest, _ := strings.Cut(string(stat), ") ")
		return (rest + "?")[0]
	}
	await.True(t, "the loop to sleep", func() bool { return state() == 'S' })
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	await.True(t, "the process to stand still", func() bool { return state() == 'T' })
	_, err = in.Write([]byte("x"))
	inTime = err == nil && time.Since(began) < limit
	await.True(t, "its limit to be over", func() bool { return time.Since(ready) > limit+10*time.Duration(late) })
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(lines)
	if err != nil {
		t.Fatal(err)
	}
	said, _, _ = strings.Cut(string(text), "PASS")
	return said, inTime
}

// standStill is a loop that says what it learns first: that a byte came, or that none did.
func standStill(t *testing.T, busy bool) {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	l.Busy = func() bool { return busy }
	if err := syscall.SetNonblock(0, true); err != nil {
		t.Fatal(err)
	}
	timer := Timer{Do: func() { fmt.Println("the limit"); l.Stop() }}
	if err := l.Add(0, unix.EPOLLIN, &byteReader{fd: 0, got: func(byte) { fmt.Println("a byte") }}); err != nil {
		t.Fatal(err)
	}
	l.Tick()
	l.Set(&timer, limit)
	l.Post(func() { fmt.Println("ready") })
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
}
