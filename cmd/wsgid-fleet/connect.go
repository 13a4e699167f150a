package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/console"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/specdir"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/systemd"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// load reads a spec directory.
func load(dir string) (*hclspec.Set, error) { return specdir.HostOptions().Load(afero.NewOsFs(), dir) }

// loadFiles reads single spec files.
func loadFiles(files []string) *hclspec.Set {
	return specdir.HostOptions().LoadFiles(afero.NewOsFs(), files...)
}

// served is what a daemon serves to others than its commands; empty: nothing.
type served struct {
	metrics      string // host:port
	console      string // unix:PATH or host:port
	consoleHosts []string
	consoleProxy string // a file
	// consoleViewer is unix:PATH, of a socket for viewers beside console.
	consoleViewer string
}

// page is the console that is to be served.
func (s served) page(log *slog.Logger) (*console.Console, error) {
	con, err := console.New(s.console, s.consoleHosts, log)
	if err != nil {
		return nil, fmt.Errorf("--console %w", err)
	}
	if s.consoleProxy != "" {
		if err := con.Behind(s.consoleProxy); err != nil {
			return nil, fmt.Errorf("--console-proxy: %w", err)
		}
	}
	if s.consoleViewer != "" {
		if err := con.ForViewers(s.consoleViewer); err != nil {
			return nil, fmt.Errorf("--console-viewer: %w", err)
		}
	}
	return con, nil
}

func (s served) check() error {
	if s.console == "" {
		if len(s.consoleHosts) > 0 {
			return errors.New("--console-host goes with --console only")
		}
		if s.consoleProxy != "" {
			return errors.New("--console-proxy goes with --console unix:PATH only")
		}
		if s.consoleViewer != "" {
			return errors.New("--console-viewer goes with --console only")
		}
		return nil
	}
	_, err := s.page(nil)
	return err
}

// runDaemon is the daemon, in the foreground. part has it take part in a fleet of many
// machines where that is wanted.
func runDaemon(ctx context.Context, o fleet.Options, so served, part func(*fleet.Options) error) error {
	o.Log = slog.New(systemd.NewLogHandler(os.Stderr, slog.LevelInfo))
	manager, err := systemd.Open(o.Log)
	if err != nil {
		return err
	}
	defer manager.Close()
	if err := part(&o); err != nil {
		return err
	}
	d := fleet.NewDaemon(o)
	d.Metrics = so.metrics
	if so.console != "" {
		con, err := so.page(o.Log)
		if err != nil {
			return err
		}
		d.Extra = con.Control()
		d.Console = func(ctx context.Context, f *fleet.Served) { con.Run(ctx, f) }
	}
	d.Hooks = fleet.ServiceHooks(manager)
	d.Inherited = manager.Inherited
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	go runner.TrimAtRest(running)
	// The daemon itself takes TERM and INT: the first drains, the second ends.
	return d.Run(context.WithoutCancel(ctx))
}
