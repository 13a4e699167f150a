package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// Whoever has started masters keeps no thread for each of them. When one ends, nothing of it
// is left, waited for or not.
func TestAMasterNeedsNoThreadOfItsParent(t *testing.T) {
	a := newTestApp(t, helloApp, nil)
	h := a.start(StateReady)
	await.True(t, "no thread to wait for a child", func() bool {
		tasks, err := filepath.Glob("/proc/self/task/*/syscall")
		if err != nil || len(tasks) == 0 {
			t.Fatal("no threads are seen: ", err)
		}
		for _, name := range tasks {
			if b, err := os.ReadFile(name); err == nil && strings.HasPrefix(string(b), strconv.Itoa(unix.SYS_WAIT4)+" ") {
				return false
			}
		}
		return true
	})
	if err := h.Kill(); err != nil {
		t.Fatal(err)
	}
	await.True(t, "its number to be free", func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/%d", h.PID))
		return os.IsNotExist(err)
	})
}
