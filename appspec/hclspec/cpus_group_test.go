package hclspec

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The quota of a real control group holds for who is in it, and in one below it.
func TestNumCPUsOfAControlGroup(t *testing.T) {
	const mark = "WSGID_TEST_CPU_GROUP"
	if os.Getenv(mark) != "" {
		// It is put into the group before it is let go on.
		if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("CPUs %d\n", hostCPUs())
		return
	}
	m, group := cpuGroup(t)
	inner := filepath.Join(group, "inner")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(inner) })
	free := hostCPUs()
	for _, tt := range []struct {
		percent int // 0: no quota
		at      string
		want    int
	}{
		{0, group, free}, {10, group, 1}, {100, group, 1}, {100, inner, 1}, {150, inner, min(2, free)}, {100 * (free + 1), inner, free},
	} {
		setQuota(t, m, group, tt.percent)
		cmd := exec.Command("/proc/self/exe", "-test.run", "^"+t.Name()+"$", "-test.count", "1")
		cmd.Env = append(os.Environ(), mark+"=1")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		err = os.WriteFile(filepath.Join(tt.at, "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o644)
		_, _ = fmt.Fprintln(in)
		_ = in.Close()
		if err := errors.Join(err, cmd.Wait()); err != nil {
			t.Fatalf("%v\n%s", err, &out)
		}
		if want := fmt.Sprintf("CPUs %d\n", tt.want); !strings.Contains(out.String(), want) {
			t.Errorf("quota %d%%, in %s: %s, want %s", tt.percent, tt.at, &out, want)
		}
	}
}

// cpuGroup makes a control group whose CPUs can be bounded, wherever this machine
// has that controller.
func cpuGroup(t *testing.T) (m cgroupMount, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes a control group")
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	why := "no hierarchy with the cpu controller is mounted"
	for line := range strings.Lines(string(mounts)) {
		m, ok := parseCgroupMount(strings.TrimSuffix(line, "\n"))
		if !ok {
			continue
		}
		group, ok := groupOf(string(groups), m.v2)
		if !ok {
			continue
		}
		folders := m.folders(group)
		parent := folders[len(folders)-1]
		if m.v2 {
			// Below a group that has processes of its own the kernel gives no controllers:
			// then it is tried at the top of what is mounted.
			parent = folders[0]
			if err := os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+cpu"), 0o644); err != nil {
				why = err.Error()
				continue
			}
		}
		dir := filepath.Join(parent, fmt.Sprintf("wsgid-test-%d", os.Getpid()))
		if err := os.Mkdir(dir, 0o755); err != nil {
			why = err.Error()
			continue
		}
		t.Cleanup(func() { _ = os.Remove(dir) })
		return m, dir
	}
	t.Skipf("this machine gives no control group a CPU quota here: %s", why)
	return m, ""
}

func setQuota(t *testing.T, m cgroupMount, dir string, percent int) {
	t.Helper()
	period, quota := 100_000, "-1"
	if m.v2 {
		quota = "max"
	}
	if percent > 0 {
		quota = strconv.Itoa(period * percent / 100)
	}
	name, text := "cpu.cfs_quota_us", quota
	if m.v2 {
		name, text = "cpu.max", fmt.Sprintf("%s %d", quota, period)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
