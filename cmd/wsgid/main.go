package main

import (
	"context"
	"os"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

func main() {
	// A master or a worker's first stage is this same program, executed again.
	runner.Main()
	os.Exit(newCLI().execute(context.Background(), os.Args[1:]))
}
