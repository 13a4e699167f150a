package sockets

import (
	"os"

	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
)

// Left is a duplicate of what is kept at an address for an app that is gone; nil: nothing is,
// or there is no descriptor for it. gone tells whether an app is to be no more. The caller
// closes it.
func (k *Store) Left(at string, gone func(app string) bool) (own *os.File) {
	app := k.keeperOf(at)
	if app == "" || !gone(app) {
		return nil
	}
	k.With(app, func(files map[string]*os.File) {
		if f := files[at]; f != nil { // else it has left meanwhile
			own, _ = listen.FileOf(f, at)
		}
	})
	return own
}

// keeperOf is an app for which a socket of just that listen string is kept; empty: none.
func (k *Store) keeperOf(at string) string {
	if k == nil {
		return ""
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for app, files := range k.apps {
		if files[at] != nil {
			return app
		}
	}
	return ""
}
