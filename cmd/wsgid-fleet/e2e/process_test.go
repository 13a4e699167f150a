package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// process is one entry of /proc.
type process struct {
	pid  int
	args string
}

func (p process) String() string { return fmt.Sprintf("%d (%s)", p.pid, p.args) }

// processesOf finds every process that has to do with a folder: one that names
// it in its arguments or its environment, works in it, or has a file of it
// open. Test folders have unique names, so it finds no other's.
func processesOf(dir string) []process {
	var found []process
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range entries {
		pid, err := strconv.Atoi(filepath.Base(proc))
		if err != nil || pid == os.Getpid() {
			continue
		}
		if stat, _ := os.ReadFile(proc + "/stat"); zombie(stat) {
			continue
		}
		args, _ := os.ReadFile(proc + "/cmdline")
		if touches(proc, args, dir) {
			found = append(found, process{pid, string(bytes.TrimSpace(bytes.ReplaceAll(args, []byte{0}, []byte{' '})))})
		}
	}
	return found
}

func touches(proc string, args []byte, dir string) bool {
	environ, _ := os.ReadFile(proc + "/environ")
	if bytes.Contains(args, []byte(dir)) || bytes.Contains(environ, []byte(dir)) {
		return true
	}
	fds, _ := filepath.Glob(proc + "/fd/*")
	for _, link := range append(fds, proc+"/cwd") {
		if target, err := os.Readlink(link); err == nil && (target == dir || strings.HasPrefix(target, dir+"/")) {
			return true
		}
	}
	return false
}

func zombie(stat []byte) bool {
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	return len(rest) > 0 && rest[0] == 'Z'
}

// alive tells whether the process exists and is no zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !zombie(stat)
}

// running tells whether the process exists and is neither a zombie nor stopped.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	return err == nil && len(rest) > 0 && !bytes.ContainsRune([]byte("ZTX"), rune(rest[0]))
}
