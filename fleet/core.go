package fleet

import (
	"cmp"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/venv"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/specdir"
)

// core is what daemon and command have in common: it knows what each app should be and
// is, and brings one at a time to its spec.
type core struct {
	*reconcile.Core
	opts       Options
	events     events
	pythons    venv.Interpreters
	challenges challenges
}

func newCore(o Options) (*core, error) {
	o = o.withDefaults()
	store, err := openStore(o)
	if err != nil {
		return nil, err
	}
	dir := specdir.New(o.Dir, store, &bounded.Fs{Fs: o.fs, Limit: specdir.DiskLimit}, o.Log)
	dir.Hold = o.Hold
	if o.Cluster != nil {
		dir.Elsewhere = o.Cluster.Elsewhere
	}
	folders := reconcile.NewTimedFolders(o.folders, &bounded.Fs{Fs: o.fs, Limit: cmp.Or(o.folderLimit, reconcile.FolderLimit)})
	c := &core{Core: reconcile.NewCore(dir, o.machine, folders), opts: o}
	c.Emit = func(app, state, message string) {
		c.events.publish(Event{At: c.Now(), App: app, State: state, Message: message})
	}
	return c, nil
}
