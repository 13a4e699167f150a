package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
)

// deployByEtcd carries out an order on the hosts of a fleet of many machines, whether or
// not this machine is one.
func (c *cli) deployByEtcd(ctx context.Context, f sourceFlags, o fleet.DeployOrder, words []string, output string) error {
	client, err := f.client(c, o.Verb())
	if err != nil {
		return err
	}
	defer client.Close()
	o.App, o.By = strings.Join(words, "-"), c.who()
	texts, err := client.Texts(ctx)
	if err != nil {
		return err
	}
	apps, err := placedBy(texts)
	if err != nil {
		return err
	}
	var names []string
	for _, a := range apps {
		names = append(names, a.Name)
	}
	if !slices.Contains(names, o.App) {
		return fmt.Errorf("cannot %s %s: no app of that name is in generation %d%s", o.Verb(), o.App, texts.Generation, meantOf(o.App, names))
	}
	view, err := client.View(ctx)
	if err != nil {
		return err
	}
	t := &stages{w: c.out, notes: c.err}
	if output == "json" {
		t.w = io.Discard
	}
	order := cluster.Order{App: o.App, Ref: o.Ref, Back: o.Back, To: o.To, By: o.By, Asker: rand.Text(), Hosts: cluster.Place(apps, view.There())[o.App]}
	d, err := client.Deploy(ctx, order, o.Wait,
		func(text string) { t.event(fleet.Event{App: o.App, State: fleet.EventWaits, Message: text}) },
		func(n cluster.News) { t.event(fleet.NewsEvent(o.App, time.Now(), n)) },
		func() bool { return false })
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("cannot wait for it: interrupted; on each host %s", t.stopped())
		}
		return err
	}
	var r fleet.Result
	fleet.FleetResult(&r, d)
	return c.writeDeployed(o, r, output)
}
