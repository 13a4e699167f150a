package main

import (
	"context"
	"os"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

func main() {
	runner.SetUmask()
	os.Exit(newCLI().execute(context.Background(), os.Args[1:]))
}
