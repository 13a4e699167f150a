package main

import (
	"context"
	"errors"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

var errNotBuilt = errors.New("not built yet")

// connect reaches the fleet of a spec directory.
func connect(ctx context.Context, o fleet.Options) (fleet.Operator, error) {
	return nil, errNotBuilt
}

// load reads a spec directory.
func load(dir string) (*appspec.Set, error) { return nil, errNotBuilt }

// loadFiles reads single spec files.
func loadFiles(files []string) (*appspec.Set, error) { return nil, errNotBuilt }

// formatSource brings HCL into its canonical form.
func formatSource(name string, src []byte) ([]byte, error) { return nil, errNotBuilt }

// runDaemon is the daemon, in the foreground.
func runDaemon(ctx context.Context, o fleet.Options) error { return errNotBuilt }
