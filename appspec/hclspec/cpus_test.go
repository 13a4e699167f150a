package hclspec

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/spf13/afero"
)

// What /proc and /sys tell of CPU quotas, in the ways that kernels, systemd and
// containers mount them.
func TestCPUQuota(t *testing.T) {
	const (
		v1    = "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
		v2    = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
		group = "/system.slice/wsgid-fleet.service"
	)
	for name, c := range map[string]struct {
		groups, mounts string
		files          map[string]string
		want           int
	}{
		"no quota":  {"0::" + group + "\n", v2, map[string]string{group + "/cpu.max": "max 100000\n"}, 8},
		"CPUQuota":  {"0::" + group + "\n", v2, map[string]string{group + "/cpu.max": "200000 100000\n"}, 2},
		"a part":    {"0::" + group + "\n", v2, map[string]string{group + "/cpu.max": "150000 100000\n"}, 2},
		"less":      {"0::" + group + "\n", v2, map[string]string{group + "/cpu.max": "10000 100000\n"}, 1},
		"above":     {"0::" + group + "\n", v2, map[string]string{group + "/cpu.max": "max 100000", "/system.slice/cpu.max": "300000 100000\n"}, 3},
		"least":     {"0::" + group + "\n", v2, map[string]string{group + "/cpu.max": "400000 100000", "/system.slice/cpu.max": "600000 100000\n"}, 4},
		"more":      {"0::" + group + "\n", v2, map[string]string{group + "/cpu.max": "6400000 100000"}, 8},
		"namespace": {"0::/\n", v2, map[string]string{"/cpu.max": "100000 50000\n"}, 2},
		"container": {"0::/docker/abc\n", "30 23 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n", map[string]string{"/cpu.max": "300000 100000\n"}, 3},
		"outside":   {"0::/../other\n", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n", map[string]string{"/cpu.max": "300000 100000\n"}, 3},
		"v1": {"4:cpu,cpuacct:" + group + "\n3:cpuset:/\n", v1, map[string]string{
			"/cpu,cpuacct" + group + "/cpu.cfs_quota_us": "250000\n", "/cpu,cpuacct" + group + "/cpu.cfs_period_us": "50000\n"}, 5},
		"v1, none": {"4:cpu,cpuacct:/a\n", v1, map[string]string{"/cpu,cpuacct/a/cpu.cfs_quota_us": "-1\n", "/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n"}, 8},
		"v1, above": {"4:cpu,cpuacct:/a/b\n", v1, map[string]string{"/cpu,cpuacct/a/cpu.cfs_quota_us": "100000\n", "/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
			"/cpu,cpuacct/a/b/cpu.cfs_quota_us": "-1\n", "/cpu,cpuacct/a/b/cpu.cfs_period_us": "100000\n"}, 1},
		"rubbish": {"0::" + group + "\n4:\n", v2 + "- - -\n\n1 2\n", map[string]string{group + "/cpu.max": "much\n"}, 8},
	} {
		fsys := fstest.MapFS{
			"proc/self/cgroup":    {Data: []byte(c.groups)},
			"proc/self/mountinfo": {Data: []byte("23 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + c.mounts)},
		}
		for path, text := range c.files {
			fsys["sys/fs/cgroup"+path] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := withQuota(8, fsys); got != c.want {
			t.Errorf("%s: %d CPUs, want %d", name, got, c.want)
		}
	}
	if got := withQuota(8, fstest.MapFS{}); got != 8 {
		t.Errorf("without /proc: %d CPUs", got)
	}
}

// A machine with control groups of version 2 alone, as Linux 6.1 told of a service that
// has one and a half CPUs in a slice that has two and a half.
func TestNumCPUsOfRecordedGroups(t *testing.T) {
	root := os.DirFS("testdata/cgroup2")
	for n, want := range map[int]int{1: 1, 2: 2, 8: 2} {
		if got := withQuota(n, root); got != want {
			t.Errorf("of %d CPUs: %d, want %d", n, got, want)
		}
	}
}

// num_cpus() under a mask of one CPU is 1, and a load after the mask has changed
// tells so, though the file is the same.
func TestNumCPUsOfMask(t *testing.T) {
	if os.Getenv("WSGID_TEST_CPUS") != "" {
		dir := os.Getenv("WSGID_TEST_CPUS")
		cache := &Cache{}
		o := Options{Cache: cache}
		for range 2 {
			set, err := o.Load(afero.NewOsFs(), dir)
			if err != nil || set.Specs["a"] == nil {
				t.Fatalf("%v %+v", err, set)
			}
			fmt.Printf("workers %d\n", set.Specs["a"].Workers.Max)
			if out, err := exec.Command("taskset", "-a", "-p", "-c", "0", fmt.Sprint(os.Getpid())).CombinedOutput(); err != nil {
				t.Fatalf("taskset: %v %s", err, out)
			}
		}
		return
	}
	dir := t.TempDir()
	text := "app \"a\" {\n  path = \"/var/wsgid/a\"\n  sockets {\n    http {\n      listen = \"127.0.0.1:8000\"\n    }\n  }\n  workers {\n    count = num_cpus()\n  }\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "a.hcl"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	past := hostCPUs()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestNumCPUsOfMask$")
	cmd.Env = append(os.Environ(), "WSGID_TEST_CPUS="+dir)
	out, err := cmd.CombinedOutput()
	if want := fmt.Sprintf("workers %d\nworkers 1\n", past); err != nil || !strings.HasPrefix(string(out), want) {
		t.Errorf("%v, it said %q, want %q", err, out, want)
	}
}
