package child

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A command of a deploy, and what it starts, leaves the CPU to what serves; its
// session too, where the kernel divides the CPU among sessions.
func TestCommandStandsBack(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	base := 20 - raw
	for by, want := range map[int]int{0: base, 3: min(base+3, 19)} {
		// One that is not root may change a session ten times a second only, and so
		// what came before may have the turn.
		group := "false"
		if _, err := os.Stat("/proc/self/autogroup"); err == nil && os.Geteuid() == 0 {
			group = fmt.Sprintf(`grep -q ' nice %d$' /proc/self/autogroup`, by)
		}
		script := fmt.Sprintf(`n=0; until test "$(nice)" = %d && { test %s = false || %s; }; do n=$((n+1)); test $n -lt 3000 || break; sleep 0.01; done; nice; (nice); cut -d " " -f 41 /proc/self/stat`,
			want, strings.Fields(group)[0], group)
		policy := "0" // SCHED_NORMAL
		if by > 0 {
			policy = "3" // SCHED_BATCH
		}
		for _, quick := range []bool{false, true} {
			ctx, cancel := context.WithTimeout(Nicer(context.Background(), by), 2*time.Minute)
			var out strings.Builder
			c := &Command{Args: []string{"sh", "-c", script + `; echo $n`}, Stdout: &out, Quick: quick}
			err := c.Run(ctx)
			cancel()
			got := strings.Fields(out.String())
			if err != nil || len(got) != 4 || got[0] != fmt.Sprint(want) || got[1] != got[0] || got[2] != policy || got[3] == "3000" {
				t.Errorf("nicer by %d (%d at most), quick %v: %q, %v", by, want, quick, got, err)
			}
		}
	}
}
