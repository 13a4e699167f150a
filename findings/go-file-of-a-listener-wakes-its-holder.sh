#!/usr/bin/env bash
# Go 1.26 (go1.26.8, linux/amd64), packages os and net
#
# Guess: a Go program that only keeps a listening socket for another one, as the *os.File
# that TCPListener.File or os.NewFile gave it, sleeps while clients connect: it neither
# accepts nor reads, and the file is but a descriptor to hand on.
# What happens: os.NewFile has the runtime's poller watch each descriptor that does not
# block, from the first moment and until it is closed. The kernel tells all who watch a
# listening socket of a client, so a program in which any goroutine waits for the network,
# if only for a command, wakes up for each, finds nothing to do and sleeps again. The same
# descriptor, kept as a number, wakes nobody.
# Who is hurt: supervisors, socket holders and graceful restarters in Go: at 5,000 connections
# a second one that had nothing else to do took a tenth of a core, and nothing that it logs
# says why.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const clients = 200

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// serve accepts at descriptor 3, from clients of its own.
func serve() {
	ln, err := net.FileListener(os.NewFile(3, "listener"))
	must(err)
	for range clients {
		c, err := net.Dial("tcp", ln.Addr().String())
		must(err)
		s, err := ln.Accept()
		must(err)
		s.Close()
		c.Close()
		time.Sleep(5 * time.Millisecond) // who keeps the socket has gone to sleep again
	}
}

// sleeps is how often the threads of this process have gone to sleep.
func sleeps() (n int) {
	tasks, err := filepath.Glob("/proc/self/task/*/status")
	must(err)
	for _, path := range tasks {
		text, err := os.ReadFile(path)
		must(err)
		_, rest, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
		one := 0
		fmt.Sscan(rest, &one)
		n += one
	}
	return n
}

// watch has another process serve at a socket that this one keeps.
func watch(what string, kept *os.File) {
	server := exec.Command("/proc/self/exe", "serve")
	server.ExtraFiles = []*os.File{kept}
	before := sleeps()
	must(server.Run())
	fmt.Printf("%s: wakes for most clients: %v\n", what, sleeps()-before > clients*3/4)
}

func main() {
	if len(os.Args) > 1 {
		serve()
		return
	}
	control, err := net.Listen("unix", "control.sock")
	must(err)
	go control.Accept() // as every manager waits for somebody
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	f, err := ln.(*net.TCPListener).File()
	must(err)
	must(ln.Close()) // f is all that is left
	watch("kept as a file", f)
	fd := 0
	raw, err := f.SyscallConn()
	must(err)
	must(raw.Control(func(p uintptr) { fd, err = syscall.Dup(int(p)) }))
	must(err)
	syscall.CloseOnExec(fd)
	place, err := os.Open("/") // a file that nobody watches, of which the socket takes the number
	must(err)
	must(f.Close())
	must(syscall.Dup3(fd, int(place.Fd()), syscall.O_CLOEXEC))
	watch("kept as a number", place)
}
GO
export GOTOOLCHAIN=go1.26.8
(go mod init probe && CGO_ENABLED=0 go build -o probe .) >build.log 2>&1 || { cat build.log >&2; exit 1; }
expect 'who wakes' 'kept as a file: wakes for most clients: true
kept as a number: wakes for most clients: false' "$(./probe)"
