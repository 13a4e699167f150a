package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

// load reads a spec directory.
func load(dir string) (*hclspec.Set, error) { return fleet.SpecOptions().Load(afero.NewOsFs(), dir) }

// loadFiles reads single spec files.
func loadFiles(files []string) *hclspec.Set {
	return fleet.SpecOptions().LoadFiles(afero.NewOsFs(), files...)
}

// runDaemon is the daemon, in the foreground. metrics is an address, or empty.
func runDaemon(ctx context.Context, o fleet.Options, metrics string) error {
	o.Log = slog.New(fleet.NewLogHandler(os.Stderr, slog.LevelInfo))
	manager, err := fleet.OpenServiceManager(o.Log)
	if err != nil {
		return err
	}
	defer manager.Close()
	d := fleet.NewDaemon(o)
	d.Metrics = metrics
	d.Hooks = manager.Hooks()
	d.Inherited = manager.Inherited
	// The daemon itself takes TERM and INT: the first drains, the second ends.
	return d.Run(context.WithoutCancel(ctx))
}
