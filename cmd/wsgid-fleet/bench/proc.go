package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tree returns the process and all its descendants.
func tree(root int) []int {
	children := map[int][]int{}
	entries, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range entries {
		fields := statFields(path)
		if len(fields) < 2 || fields[0] == "Z" {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], pid)
	}
	all := []int{root}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	slices.Sort(all)
	return all
}

// statFields are the fields of /proc/PID/stat from the third on: 0 is the
// state, 1 the parent, 11 and 12 user and system time in ticks.
func statFields(path string) []string {
	stat, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	i := bytes.LastIndexByte(stat, ')')
	if i < 0 {
		return nil
	}
	return strings.Fields(string(stat[i+1:]))
}

// cpu is the time that the processes have had of a core so far. Its step is
// the kernel's tick for accounting, 10 ms.
func cpu(pids []int) time.Duration {
	var ticks int64
	for _, pid := range pids {
		fields := statFields(fmt.Sprintf("/proc/%d/stat", pid))
		if len(fields) < 13 {
			continue
		}
		for _, f := range fields[11:13] {
			n, _ := strconv.ParseInt(f, 10, 64)
			ticks += n
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// pss is the memory of the processes in bytes, what they share among each
// other and with others divided by the number of sharers.
func pss(pids []int) (int64, error) {
	return sumOf(pids, "smaps_rollup", "Pss:")
}

// peak is the greatest resident size that each of the processes has had.
func peak(pids []int) (int64, error) {
	return sumOf(pids, "status", "VmHWM:")
}

// rss is the resident size of the processes now.
func rss(pids []int) (int64, error) {
	return sumOf(pids, "status", "VmRSS:")
}

// sumOf adds up a line "KEY n kB" of each process's file below /proc.
func sumOf(pids []int, file, key string) (int64, error) {
	var sum int64
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
		if err != nil {
			return 0, fmt.Errorf("cannot measure process %d: %w", pid, err)
		}
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, key); ok {
				n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
				if err != nil {
					return 0, fmt.Errorf("cannot measure process %d: %q: %w", pid, line, err)
				}
				sum += n << 10
			}
		}
	}
	return sum, nil
}
