package sockets

import (
	"os"

	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
)

// Left is a duplicate of what is kept at an address for an app that is gone; nil: nothing is,
// or there is no descriptor for it. gone tells whether an app is to be no more. The caller
// closes it.
func (k *Store) Left(at string, gone func(app string) bool) *os.File {
	app := k.keeperOf(at)
	if app == "" || !gone(app) {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	f := k.apps[app][at]
	if f == nil { // it has left meanwhile
		return nil
	}
	own, err := listen.FileOf(f, at)
	if err != nil {
		return nil
	}
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
