package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/afero"
	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/specdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// fleetSource is what --source is for commands that ask etcd.
const fleetSource = "the fleet, default $WSGID_SOURCE"

// sourceFlags are those that say where the fleet of many machines is.
type sourceFlags struct {
	source             string
	ca, cert, key      string
	user, passwordFile string
}

func (f *sourceFlags) add(cmd *cobra.Command, what string) {
	flags := cmd.Flags()
	flags.StringVar(&f.source, "source", "", what+": `etcd://host:2379,.../prefix`")
	flags.StringVar(&f.ca, "etcd-ca", "", "`file` with the authority of etcd's certificate, PEM")
	flags.StringVar(&f.cert, "etcd-cert", "", "`file` with a certificate for etcd, PEM")
	flags.StringVar(&f.key, "etcd-key", "", "`file` with its private key, PEM")
	flags.StringVar(&f.user, "etcd-user", "", "`name` of a user of etcd")
	flags.StringVar(&f.passwordFile, "etcd-password-file", "", "`file` with the password of that user")
}

// client reaches etcd; verb is for the error.
func (f *sourceFlags) client(c *cli, verb string) (*etcd.Client, error) {
	cfg, err := f.config(c, verb)
	if err != nil {
		return nil, err
	}
	return etcd.New(cfg), nil
}

func (f *sourceFlags) config(c *cli, verb string) (etcd.Config, error) {
	source := cmp.Or(f.source, c.getenv("WSGID_SOURCE"))
	if source == "" {
		return etcd.Config{}, usageError("cannot %s: name the fleet with --source etcd://host:2379/prefix, or in WSGID_SOURCE", doing(verb))
	}
	cfg, err := etcd.Parse(source)
	if err != nil {
		return etcd.Config{}, &exitError{code: exitUsage, err: err}
	}
	switch {
	case (f.cert == "") != (f.key == ""):
		return etcd.Config{}, usageError("cannot %s: --etcd-cert and --etcd-key go together", doing(verb))
	case (f.user == "") != (f.passwordFile == ""):
		return etcd.Config{}, usageError("cannot %s: --etcd-user and --etcd-password-file go together", doing(verb))
	}
	cfg.CA, cfg.Cert, cfg.Key, cfg.User, cfg.PasswordFile = f.ca, f.cert, f.key, f.user, f.passwordFile
	return cfg, nil
}

// hostFlags are those of run that say what this host is.
type hostFlags struct {
	sourceFlags
	id, region, address string
}

func (f *hostFlags) add(cmd *cobra.Command) {
	f.sourceFlags.add(cmd, "read the specs from etcd, as one host of a fleet of many machines")
	cmd.Flags().StringVar(&f.id, "host-id", "", "`name` of this host in that fleet; default: its host name")
	cmd.Flags().StringVar(&f.region, "region", "", "`name` of the region that this host is in, for backends")
	cmd.Flags().StringVar(&f.address, "address", "", "`address` by which others reach this host, without a port; default: the one by\nwhich it reaches etcd")
}

// member makes options those of a host of a fleet of many machines.
func (f *hostFlags) member(ctx context.Context, c *cli, o *fleet.Options) error {
	if o.Dir != "" {
		return usageError("cannot run: --source and --dir at once: the specs are read from only one of them")
	}
	cfg, err := f.config(c, "run")
	if err != nil {
		return err
	}
	if f.id == "" {
		if f.id, err = os.Hostname(); err != nil {
			return fmt.Errorf("cannot run: this host has no name: %w; name it with --host-id", err)
		}
	}
	switch {
	case !etcd.ValidHost(f.id):
		return usageError("cannot run: --host-id %q: a host's name has letters, digits, ., _ and - alone", f.id)
	case !appspec.ValidRegion(f.region):
		return usageError("cannot run: --region %q: a region has letters, digits, ., _ and - alone", f.region)
	}
	_, data := fleet.Directories(*o)
	if f.address == "" {
		f.address = ownAddress(ctx, cfg.Endpoints)
	}
	m := etcd.NewMember(etcd.New(cfg), filepath.Join(data, "cluster"), cluster.Host{ID: f.id, Region: f.region, Address: f.address, Version: runner.Build()})
	m.Log = o.Log
	if err := m.Open(ctx); err != nil {
		return err
	}
	o.Dir, o.Cluster = m.Specs(), m
	return nil
}

// ownAddress is that of this host towards the first member of etcd; empty: it cannot be
// told now.
func ownAddress(ctx context.Context, members []string) string {
	for _, e := range members {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "udp", e) // nothing is sent
		if err != nil {
			continue
		}
		defer conn.Close()
		if host, _, err := net.SplitHostPort(conn.LocalAddr().String()); err == nil {
			return host
		}
	}
	return ""
}

// placedBy reads texts as no machine in particular does.
func placedBy(t cluster.Texts) ([]cluster.App, error) {
	fsys := afero.NewMemMapFs()
	const dir = "/specs"
	if err := fsys.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for _, n := range t.Names() {
		if err := afero.WriteFile(fsys, filepath.Join(dir, n), t.Files[n], 0o600); err != nil {
			return nil, err
		}
	}
	set, err := specdir.LoadForHosts(fsys, dir)
	if err != nil {
		return nil, err
	}
	return specdir.PlacedApps(set, nil), nil
}

func (c *cli) pushCommand() *cobra.Command {
	var f sourceFlags
	var dry bool
	cmd := &cobra.Command{
		Use:   "push DIR",
		Short: "Publish the specs of a directory to a fleet of many machines",
		Long: `Check the specs of DIR and write all of them to etcd as one new generation, which
all hosts follow. Of two pushes at a time one is told, and changes nothing. What a
spec names on its hosts (users, interpreters, files) only these can check: where one
is missing there, that host keeps its last good spec and says so.

It tells which apps go to which hosts, and with --dry-run no more than that.

Exit code: 0 pushed, or it was so already; 1 not; with --dry-run 2 where a push would
change something.`,
		Args: oneArg("a directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			client, err := f.client(c, "push")
			if err != nil {
				return err
			}
			defer client.Close()
			t, apps, err := c.stagedFor(ctx, args[0])
			if err != nil {
				return err
			}
			before, err := client.Texts(ctx)
			if err != nil && !errors.Is(err, etcd.ErrNothing) {
				return err
			}
			view, err := client.View(ctx)
			if err != nil {
				return err
			}
			old, err := placedBy(before)
			if err != nil {
				return err
			}
			moves := changing(movesOf(old, apps, view.There()))
			c.writeMoves(moves)
			c.warnShortages(apps, view.There())
			if dry {
				if len(moves) > 0 || before.Digest() != t.Digest() {
					return silent(exitChanges)
				}
				return nil
			}
			g, changed, err := client.Push(ctx, *t, c.whoWhere())
			if err != nil {
				return err
			}
			if !changed {
				fmt.Fprintf(c.out, "generation %d has these %s already\n", g, count(len(t.Files), "file"))
				return nil
			}
			fmt.Fprintf(c.out, "generation %d: %s, %s\n", g, count(len(t.Files), "file"), count(len(apps), "app"))
			return nil
		},
	}
	f.add(cmd, fleetSource)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what a push would move, and push nothing")
	return cmd
}

func (c *cli) pullCommand() *cobra.Command {
	var f sourceFlags
	cmd := &cobra.Command{
		Use:   "pull DIR",
		Short: "Write the specs of a fleet of many machines into a directory",
		Long: `Write the specs that etcd holds into DIR, which is made. A file that is there and
says something else is left, and nothing is written.`,
		Args: oneArg("a directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := f.client(c, "pull")
			if err != nil {
				return err
			}
			defer client.Close()
			t, err := client.Texts(cmd.Context())
			if err != nil {
				return err
			}
			if err := t.Write(args[0]); err != nil {
				return err
			}
			fmt.Fprintf(c.out, "generation %d: %s in %s\n", t.Generation, count(len(t.Files), "file"), args[0])
			return nil
		},
	}
	f.add(cmd, fleetSource)
	return cmd
}

// oneArg refuses any other number of arguments than one.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("cannot %s: name %s and nothing else", doing(cmd.Name()), what)
		}
		return nil
	}
}
