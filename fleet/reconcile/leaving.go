package reconcile

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/sockets"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// sharing opens the sockets of an app. Where an app that is gone still has one of them, as one
// has that was given another name, both listen there until that one has left: whoever comes
// meanwhile is served by one of them, and nobody is refused. Of two apps that stay one would
// answer for the other, so that they wait for each other.
func (a *Applier) sharing(ctx context.Context, beside *sockets.Rebind, files map[string]*os.File, open func() error) error {
	for {
		err := open()
		var taken *runner.TakenError
		if !errors.As(err, &taken) || files[taken.Listen] != nil {
			return err
		}
		f, leaving := a.left(ctx, taken)
		switch {
		case leaving != nil:
			return leaving
		case f == nil:
			return err
		}
		beside.Share(taken.Listen, f, files)
	}
}

// left is the socket that an app which is gone has at an address that is taken; nil: none has.
// An error tells that one may have it and is about to leave.
func (a *Applier) left(ctx context.Context, taken *runner.TakenError) (*os.File, error) {
	if f := a.Sockets.Left(taken.Listen, a.Gone); f != nil {
		return f, nil
	}
	var leaving error
	known, _ := a.Store.Apps()
	for _, app := range known {
		if !a.Gone(app) {
			continue
		}
		// Of a daemon that has just begun nothing is kept yet, of a command nothing ever.
		ms, _ := a.Machine.Find(a.Store.Dir, app)
		for _, m := range ms {
			theirs, lerr := m.Listeners(ctx)
			if lerr != nil {
				if m.Alive() { // it ends, and cannot say what it has
					leaving = &neighbourError{fmt.Errorf("cannot listen on %s: it is taken, and app %s, which was removed, has not ended yet", taken.Listen, app)}
				}
				continue
			}
			f := theirs[taken.Listen]
			delete(theirs, taken.Listen)
			sockets.CloseAll(theirs)
			if f != nil {
				return f, nil
			}
		}
	}
	return nil, leaving
}
