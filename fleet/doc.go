// Package fleet makes what runs equal to what a directory of specs says.
//
// # The way of a spec
//
//  1. Something happens: a file changes (Watcher), time passes, a signal comes,
//     an operator asks, a master dies. Each is a hint. The daemon's loop reads
//     the directory again and puts the names of the apps about which it now says
//     something else into the Reconciler, and those whose surroundings changed:
//     another app folder at the path, a unix socket without its file.
//  2. The Reconciler makes passes over names: one at a time for each name,
//     several names at a time. A pass that waits (for a new master to become
//     ready, for an old one to drain) gives its place to another, and gives up
//     waiting when its spec changes again.
//  3. A pass takes the app's lock, which commands without a daemon take too, and
//     decides what the app should be: the spec in the directory; the last good
//     spec where its file or the directory is broken; nothing where it was taken
//     out. Broken keeps, missing removes, and what went in a way that nobody can
//     have meant counts as broken until apply confirms it (loss.go).
//  4. Observe reads what is: what is wrong with the folder, which masters live
//     and what they run, what was handed to them last, what an operator ordered.
//  5. MakePlan (package plan) compares the two. It is pure; plan prints it and stops
//     here.
//  6. The Applier carries out the actions and stops at the first error. The error
//     becomes a Failure in the state directory: with a time for the next try, or,
//     for a spec that was tried and given up, without one.
//  7. The supervisor follows each master by its pidfd and hears of each change
//     of its state. One that dies is replaced on the same listening sockets, of
//     which the listener store holds duplicates.
//
// # Sockets outlive masters
//
// The listener store (package sockets) holds duplicates of every app's listening
// sockets, and the service manager's store holds them too, where there is one. So a
// master that is replaced, dies or is let go leaves its clients waiting, not
// refused. A socket that moves to another address of its port is opened beside the
// old one (sockets.Rebind). An app with workers.min = 0 whose clients are all gone
// gives back its master: the activator watches its sockets, and the next connection
// starts another (reconcile/sleep.go).
//
// # Who does it
//
// Daemon does all of it and serves the control socket. Local does one command in
// this process, where no daemon runs. Client asks the daemon. All three run the
// same operations; Connect chooses. Masters outlive each of them, so either can
// take over where another one left off: all that must be known is in the Store,
// and what cannot be read there is taken as missing.
//
// # Metrics
//
// A scrape (package metrics) asks every master at that moment, with one limit for all
// of them; nothing is collected in between.
//
// # Size
//
// It has more than 4,000 lines: operations, deploys and the daemon's loop work on the
// state of one engine, under its locks. Cut apart, each would need that state exported.
// What stands by itself is in the packages below.
package fleet
