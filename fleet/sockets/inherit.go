package sockets

import (
	"os"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
)

// Left are duplicates of what is kept for apps that are gone, at addresses of a spec for which
// nothing is kept yet: its app was given another name, or the address of an app that was taken
// out. Both listen there until the one that is gone has left, and who comes meanwhile is
// served by one of them. gone tells whether an app is to be no more: of two that stay one
// would answer for the other. The caller closes them.
func (k *Store) Left(spec *appspec.Spec, gone func(app string) bool) map[string]*os.File {
	out := map[string]*os.File{}
	if k == nil {
		return out
	}
	for _, s := range spec.Sockets.HTTP {
		if k.keptFor(spec.Name, s.Listen) {
			continue
		}
		if of := k.keeperOf(s.Listen); of != "" && gone(of) {
			if f := k.duplicate(of, s.Listen); f != nil {
				out[s.Listen] = f
			}
		}
	}
	return out
}

// keptFor tells whether a socket is there for an app already.
func (k *Store) keptFor(app, at string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.apps[app][at] != nil || k.given[at] != nil
}

// keeperOf is an app for which a socket of just that listen string is kept; empty: none.
func (k *Store) keeperOf(at string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	for app, files := range k.apps {
		if files[at] != nil {
			return app
		}
	}
	return ""
}

// duplicate is one of a socket that is kept for an app; nil: it is kept no more, or there is
// no descriptor left. Who opens the address then says what is in the way.
func (k *Store) duplicate(app, at string) *os.File {
	k.mu.Lock()
	defer k.mu.Unlock()
	f := k.apps[app][at]
	if f == nil {
		return nil
	}
	own, err := listen.FileOf(f, at)
	if err != nil {
		return nil
	}
	return own
}
