// Package sockets holds listening sockets while no master does, so that clients wait
// and are not refused.
//
// A Store has the daemon's duplicates of the sockets of every app: a master that dies is
// replaced on the same ones. A Holder is a process that has those of apps without a
// master while no daemon runs, where no service manager keeps them. An Activator watches
// the sockets of apps without a master and tells when the first connection comes. A
// Rebind opens a socket beside one of the same port that stays open for now.
//
// What they serve is not known here: to all of them an app is a name.
package sockets
