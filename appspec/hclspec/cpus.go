package hclspec

import (
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// hostCPUs is how many CPUs this process may use: those of its affinity mask, and
// no more than the quota of its control group, or of one above, allows.
func hostCPUs() int {
	n := runtime.NumCPU()
	// The mask is read anew: the runtime knows only the one of its start.
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err == nil && set.Count() > 0 {
		n = set.Count()
	}
	return withQuota(n, os.DirFS("/"))
}

// withQuota bounds n by the CPU quotas that a file system's /proc and /sys tell. A
// part of a CPU counts as a whole one.
func withQuota(n int, root fs.FS) int {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return n
	}
	mounts, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return n
	}
	quota := math.Inf(1)
	for line := range strings.Lines(string(mounts)) {
		m, ok := parseCgroupMount(strings.TrimSuffix(line, "\n"))
		if !ok {
			continue
		}
		group, ok := groupOf(string(groups), m.v2)
		if !ok {
			continue
		}
		for _, dir := range m.folders(group) {
			if q := m.quota(root, dir); q > 0 {
				quota = min(quota, q)
			}
		}
	}
	return max(1, int(min(float64(n), math.Ceil(quota))))
}

// cgroupMount is a place where a hierarchy with the cpu controller is mounted.
type cgroupMount struct {
	v2   bool
	root string // the group that is at the mount point
	at   string // the mount point
}

// parseCgroupMount reads a line of mountinfo (proc_pid_mountinfo(5)).
func parseCgroupMount(line string) (m cgroupMount, ok bool) {
	before, after, found := strings.Cut(line, " - ")
	f, g := strings.Fields(before), strings.Fields(after)
	if !found || len(f) < 5 || len(g) < 3 {
		return m, false
	}
	m = cgroupMount{v2: g[0] == "cgroup2", root: unescapeMount(f[3]), at: unescapeMount(f[4])}
	return m, m.v2 || g[0] == "cgroup" && hasWord(g[2], "cpu")
}

// unescapeMount undoes mountinfo's \040 for a space, and the like.
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

// groupOf finds the process's group in /proc/self/cgroup: "0::/path", or with v1
// "4:cpu,cpuacct:/path".
func groupOf(groups string, v2 bool) (string, bool) {
	for line := range strings.Lines(groups) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) == 3 && (v2 && f[0] == "0" && f[1] == "" || !v2 && hasWord(f[1], "cpu")) {
			return f[2], true
		}
	}
	return "", false
}

// folders are that of a group and those above it, as far as they are mounted.
func (m cgroupMount) folders(group string) []string {
	rel, ok := strings.CutPrefix(group, strings.TrimSuffix(m.root, "/"))
	if !ok || strings.Contains(group, "/..") || rel != "" && rel[0] != '/' {
		rel = "" // the group is not below the mount, as in a container: its top is what there is
	}
	all := []string{m.at}
	at := m.at
	for name := range strings.SplitSeq(strings.Trim(rel, "/"), "/") {
		if name != "" {
			at = path.Join(at, name)
			all = append(all, at)
		}
	}
	return all
}

// quota is what a group may use, in CPUs; 0: it has no bound.
func (m cgroupMount) quota(root fs.FS, dir string) float64 {
	read := func(name string) []string {
		b, err := fs.ReadFile(root, strings.TrimPrefix(path.Join(dir, name), "/"))
		if err != nil {
			return nil
		}
		return strings.Fields(string(bytes.TrimSpace(b)))
	}
	var f []string
	if m.v2 {
		f = read("cpu.max")
	} else {
		f = append(read("cpu.cfs_quota_us"), read("cpu.cfs_period_us")...)
	}
	if len(f) != 2 {
		return 0
	}
	quota, err1 := strconv.ParseFloat(f[0], 64) // "max" or -1 where there is none
	period, err2 := strconv.ParseFloat(f[1], 64)
	if err1 != nil || err2 != nil || quota <= 0 || period <= 0 {
		return 0
	}
	return quota / period
}
