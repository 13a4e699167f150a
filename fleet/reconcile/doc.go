// Package reconcile makes what runs equal to what the spec directory says.
//
// # From a hint to a pass
//
// Everything that happens is a hint: a file changes (Watcher), time passes, a signal comes,
// a master changes its state or dies (Supervisor, by its pidfd), an operator asks. The Loop,
// the one goroutine of a daemon that decides, has the directory read again, and puts the
// names of the apps about which it now says something else into the Reconciler; likewise
// those whose surroundings changed: another app folder at the path, a unix socket without
// its file.
//
// The Reconciler makes passes over names: one at a time for each, several names at a time.
// A pass that waits (for a new master to become ready, for an old one to drain) gives its
// slot to another, and gives up waiting when its spec changes again. What failed is tried
// again when it is due.
//
// # One pass
//
// Core.Pass takes the app's lock, which commands without a daemon take too. It asks
// specdir what the app should be, writes that down, observes what is (Core.Observe), has
// plan.MakePlan compare the two, and gives the plan to an Applier, which does its actions
// and stops at the first error; each can be done twice without harm. The error becomes a
// Failure in the state directory, with a time for the next try or, for a spec that was
// tried and given up, without one.
//
// # Who else calls in
//
// Masters are behind Machine and Handle, app folders behind Folders, so that what happens
// to a thousand apps can be tested without any. Package fleet makes Core and Loop, gives
// them the directory and the sockets, and is told what happens by their functions: it
// speaks to operators, browsers, metrics and the service manager. A command without a
// daemon uses a Core alone.
//
// # Size
//
// It has more than 4,000 lines: the loop, the passes and those who follow masters, files and
// sockets decide by each other's states, which between packages would be exported. What is
// decided from facts alone is in plan, what is kept in state, what listens in sockets.
package reconcile
