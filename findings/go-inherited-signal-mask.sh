#!/usr/bin/env bash
# Go 1.26 (go1.26.8, linux/amd64)
#
# Guess: a Go program that is started with some signals blocked keeps them blocked,
# as os/signal says: "that will be honored".
# What happens: half of them. The runtime takes every signal whose usual action it
# has a part in (HUP, INT, TERM, QUIT, CHLD, among others) out of the mask in each
# of its threads; USR1, USR2, PIPE and ALRM stay blocked, and go on to its children.
# Who is hurt: whoever blocks TERM around an exec so that a new image can take it
# when it is ready: a Go program dies of it. And who blocks USR2 in a parent, and
# then wonders why the programs that his Go service starts do not hear of it.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

var mask = regexp.MustCompile(`SigBlk:\t(\w+)`)

func main() {
	tasks, _ := filepath.Glob("/proc/self/task/*/status")
	seen := map[string]bool{}
	for _, t := range tasks {
		text, _ := os.ReadFile(t)
		seen[string(mask.FindSubmatch(text)[1])] = true
	}
	child, _ := exec.Command("cat", "/proc/self/status").Output()
	fmt.Println(seen, string(mask.FindSubmatch(child)[1]))
}
GO
cat >start.py <<'PY'
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
    signal.SIGPIPE, signal.SIGALRM, signal.SIGTERM, signal.SIGCHLD})
os.execv("./probe", ["./probe"])
PY
export GOTOOLCHAIN=go1.26.8
go mod init probe >/dev/null 2>&1
CGO_ENABLED=0 go build -o probe .
# 0x3a00: USR1 (10), USR2 (12), PIPE (13), ALRM (14); of 0x17a07 that were blocked.
expect 'masks of its threads, mask of its child' 'map[0000000000003a00:true] 0000000000003a00' "$(/usr/bin/python3 start.py)"
