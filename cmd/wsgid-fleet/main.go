package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

func main() {
	// A master, a worker's first stage and who holds the daemon's sockets are this
	// same program, executed again.
	runner.Main()
	fleet.Main()
	os.Exit(start())
}

// start runs the command line of this process and returns its exit code.
func start() int {
	if os.Getenv("GOGC") == "" && (slices.Contains(os.Args[1:], "plan") || slices.Contains(os.Args[1:], "validate")) {
		// These end before their garbage matters, but for very many specs.
		debug.SetGCPercent(-1)
		debug.SetMemoryLimit(256 << 20)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return newCLI().execute(ctx, os.Args[1:])
}
