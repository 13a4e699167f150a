package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd"
)

// withSource makes a command that asks etcd one thing.
func (c *cli) withSource(cmd *cobra.Command, do func(ctx context.Context, client *etcd.Client, args []string) error) *cobra.Command {
	var f sourceFlags
	f.add(cmd, fleetSource)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := f.client(c, cmd.Name())
		if err != nil {
			return err
		}
		defer client.Close()
		return do(cmd.Context(), client, args)
	}
	return cmd
}

// hostRow is a host for hosts -o json.
type hostRow struct {
	cluster.Host
	There bool `json:"there"`
	Apps  int  `json:"apps"`  // that it says it has
	Ready int  `json:"ready"` // that it serves
}

func hostRows(v *etcd.View) []hostRow {
	rows := map[string]*hostRow{}
	for _, h := range v.There() {
		rows[h.ID] = &hostRow{Host: h, There: true}
	}
	for id := range v.Down {
		if rows[id] == nil {
			rows[id] = &hostRow{Host: cluster.Host{ID: id, Cordoned: true}}
		}
	}
	for _, on := range v.Endpoints {
		for id, e := range on {
			if r := rows[id]; r != nil {
				r.Apps++
				if e.Ready {
					r.Ready++
				}
			}
		}
	}
	out := []hostRow{}
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		out = append(out, *rows[id])
	}
	return out
}

func (c *cli) hostsCommand() *cobra.Command {
	var output string
	cmd := c.withSource(&cobra.Command{
		Use:   "hosts",
		Short: "Show the hosts of a fleet of many machines",
		Args:  outputArgs(&output, noArgs, "text", "json"),
	}, func(ctx context.Context, client *etcd.Client, _ []string) error {
		v, err := client.View(ctx)
		if err != nil {
			return err
		}
		rows := hostRows(v)
		if output == "json" {
			return writeJSON(c.out, rows)
		}
		t := table{columns: []column{{title: "HOST"}, {title: "REGION"}, {title: "ADDRESS"}, {title: "READY", right: true}, {title: "APPS", right: true}, {title: "VERSION", drop: 1}, {title: "STATE"}}}
		for _, r := range rows {
			state := "there"
			switch {
			case !r.There:
				state = "cordoned, not there"
			case r.Cordoned:
				state = "cordoned"
			}
			t.add(cell{text: r.ID}, cell{text: cmp.Or(r.Region, "-")}, cell{text: cmp.Or(r.Address, "-")}, cell{text: fmt.Sprint(r.Ready)}, cell{text: fmt.Sprint(r.Apps)}, cell{text: cmp.Or(r.Version, "-")}, cell{text: state})
		}
		t.writeTo(c.out, c.style())
		return nil
	})
	outputFlag(cmd, &output, "text", "json")
	return cmd
}

func (c *cli) cordonCommand() *cobra.Command {
	return c.withSource(&cobra.Command{
		Use:   "cordon HOST",
		Short: "Take a host out of a fleet: its apps go to others, and it gets none",
		Long: `Take a host out: each of its apps is started on another host, and leaves this one
when it is ready there. An app that has no other place stays. It lasts until uncordon.`,
		Args: oneArg("a host"),
	}, func(ctx context.Context, client *etcd.Client, args []string) error {
		v, err := client.View(ctx)
		if err != nil {
			return err
		}
		if _, there := v.Hosts[args[0]]; !there {
			return fmt.Errorf("cannot cordon %s: there is no host with that name%s", args[0], meantOf(args[0], slices.Sorted(maps.Keys(v.Hosts))))
		}
		return client.Cordon(ctx, args[0], "cordon")
	})
}

func (c *cli) uncordonCommand() *cobra.Command {
	return c.withSource(&cobra.Command{
		Use:   "uncordon HOST",
		Short: "Take a host that was cordoned in again",
		Args:  oneArg("a host"),
	}, func(ctx context.Context, client *etcd.Client, args []string) error {
		v, err := client.View(ctx)
		if err != nil {
			return err
		}
		if out := slices.Sorted(maps.Keys(v.Down)); !slices.Contains(out, args[0]) {
			return fmt.Errorf("cannot uncordon %s: it is not cordoned%s", args[0], meantOf(args[0], out))
		}
		return client.Uncordon(ctx, args[0])
	})
}

func (c *cli) thawCommand() *cobra.Command {
	return c.withSource(&cobra.Command{
		Use:   "thaw",
		Short: "Let a frozen region continue without the hosts that vanished",
		Long: `Where more than half of a region (of three hosts or more) vanishes at once, no app
is moved: it is likelier that etcd or the network is at fault. thaw says that they are
gone: their apps go to the hosts that are there.`,
		Args: noArgs,
	}, func(ctx context.Context, client *etcd.Client, _ []string) error { return client.Thaw(ctx) })
}

// appRow is an app of the fleet for status --fleet.
type appRow struct {
	App    string   `json:"app"`
	Placed []string `json:"placed"` // hosts that are to run it
	Ready  []string `json:"ready"`  // hosts that serve it
	Other  []string `json:"other"`  // hosts that have it and do not serve it
}

// appRows are all apps of the fleet, as the hosts that are there tell.
func appRows(apps []cluster.App, v *etcd.View) []appRow {
	placed := cluster.Place(apps, v.There())
	rows := []appRow{}
	for _, a := range apps {
		r := appRow{App: a.Name, Placed: nonNil(placed[a.Name]), Ready: []string{}, Other: []string{}}
		for _, id := range slices.Sorted(maps.Keys(v.Endpoints[a.Name])) {
			if v.Ready(a.Name, id) {
				r.Ready = append(r.Ready, id)
			} else {
				r.Other = append(r.Other, id)
			}
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b appRow) int { return cmp.Compare(a.App, b.App) })
	return rows
}

// fleetStatus is status --fleet.
func (c *cli) fleetStatus(ctx context.Context, client *etcd.Client, output string) error {
	texts, err := client.Texts(ctx)
	if err != nil {
		return err
	}
	v, err := client.View(ctx)
	if err != nil {
		return err
	}
	apps, err := placedBy(texts)
	if err != nil {
		return err
	}
	rows, code := appRows(apps, v), exitOK
	short := func(r appRow) bool {
		return len(r.Placed) == 0 || slices.ContainsFunc(r.Placed, func(id string) bool { return !slices.Contains(r.Ready, id) })
	}
	for _, r := range rows {
		if short(r) {
			code = exitDiffers
		}
	}
	if output == "json" {
		if err := writeJSON(c.out, struct {
			Generation int64     `json:"generation"`
			Hosts      []hostRow `json:"hosts"`
			Apps       []appRow  `json:"apps"`
		}{texts.Generation, hostRows(v), rows}); err != nil {
			return err
		}
		return silent(code)
	}
	words := func(list []string) string { return cmp.Or(strings.Join(list, " "), "-") }
	t := table{columns: []column{{title: "APP"}, {title: "READY", right: true}, {title: "PLACED ON"}, {title: "SERVED BY"}}}
	for _, r := range rows {
		p := green
		if short(r) {
			p = red
		}
		t.add(cell{text: r.App}, cell{text: fmt.Sprintf("%d/%d", len(r.Ready), len(r.Placed)), paint: p}, cell{text: words(r.Placed)}, cell{text: words(r.Ready)})
	}
	t.writeTo(c.out, c.style())
	fmt.Fprintf(c.out, "\ngeneration %d: %s on %s\n", texts.Generation, count(len(rows), "app"), count(len(v.Hosts), "host"))
	c.warnShortages(apps, v.There())
	return silent(code)
}

func (c *cli) endpointsCommand() *cobra.Command {
	var output, follow, command string
	cmd := c.withSource(&cobra.Command{
		Use:   "endpoints",
		Short: "Show where the apps of a fleet of many machines are served, for a balancer",
		Long: `Show where each app is served: by the sockets of the app that other machines
reach, else, of an app with hosts, by those of the gate. With -o haproxy it is a
backend section for each app, with a server line for each address that serves; what
this writes into a file, haproxy -f FILE reads.

With --follow FILE it goes on: it writes what it would show into FILE, as a whole and
only when it is to say something else, and then, and at its begin, runs the command of
--then, by which a balancer reads the file again. The command has a minute, is run
again where it fails, and two seconds or more lie between two runs. Where etcd is away
or empty, or more than half of a region vanishes at once, the file stays as it is: a
balancer checks its servers itself.`,
		Args: outputArgs(&output, noArgs, "text", "json", "haproxy"),
	}, func(ctx context.Context, client *etcd.Client, _ []string) error {
		switch {
		case command != "" && follow == "":
			return usageError("cannot follow endpoints: --then goes with --follow FILE")
		case follow != "" && output == "text":
			return usageError("cannot follow endpoints: --follow writes what a balancer reads: add -o haproxy, or -o json")
		case follow != "":
			b := &balancer{c: c, path: follow, command: command, write: writeHAProxy}
			if output == "json" {
				b.write = func(w io.Writer, rows []endpointRow) error { return writeJSON(w, rows) }
			}
			b.follow(ctx, client)
			return nil
		}
		v, err := client.View(ctx)
		if err != nil {
			return err
		}
		switch output {
		case "json":
			return writeJSON(c.out, endpointRows(v))
		case "haproxy":
			return writeHAProxy(c.out, endpointRows(v))
		default:
			t := table{columns: []column{{title: "APP"}, {title: "HOST"}, {title: "READY"}, {title: "ADDRESSES"}}}
			for _, r := range endpointRows(v) {
				ready := "yes"
				if !r.Ready {
					ready = "no"
				}
				t.add(cell{text: r.App}, cell{text: r.Host}, cell{text: ready}, cell{text: cmp.Or(strings.Join(r.Addresses, " "), "none that others reach")})
			}
			t.writeTo(c.out, c.style())
		}
		return nil
	})
	outputFlag(cmd, &output, "text", "json", "haproxy")
	cmd.Flags().StringVar(&follow, "follow", "", "go on, and keep this `file` as the fleet is")
	cmd.Flags().StringVar(&command, "then", "", "`command` of the shell to run when the file has changed")
	return cmd
}

// endpointRow is an app on a host.
type endpointRow struct {
	App       string   `json:"app"`
	Host      string   `json:"host"`
	Region    string   `json:"region"`
	Ready     bool     `json:"ready"`
	Addresses []string `json:"addresses"`
}

func endpointRows(v *etcd.View) []endpointRow {
	rows := []endpointRow{}
	for _, app := range slices.Sorted(maps.Keys(v.Endpoints)) {
		for _, id := range slices.Sorted(maps.Keys(v.Endpoints[app])) {
			h, there := v.Hosts[id]
			if !there {
				continue
			}
			e := v.Endpoints[app][id]
			rows = append(rows, endpointRow{App: app, Host: id, Region: h.Region, Ready: e.Ready, Addresses: nonNil(e.Addresses)})
		}
	}
	return rows
}

// writeHAProxy writes the sections of the backends. An app that nobody serves has one
// without a server, so that a frontend may name it always.
func writeHAProxy(w io.Writer, rows []endpointRow) error {
	var out bytes.Buffer
	app := ""
	for _, r := range rows {
		if r.App != app {
			app = r.App
			fmt.Fprintf(&out, "backend %s\n    balance roundrobin\n    option redispatch 1\n", app)
		}
		if !r.Ready {
			continue
		}
		for i, a := range r.Addresses {
			name := r.Host
			if i > 0 {
				name = fmt.Sprintf("%s-%d", r.Host, i+1)
			}
			fmt.Fprintf(&out, "    server %s %s check\n", name, a)
		}
	}
	_, err := out.WriteTo(w)
	return err
}
