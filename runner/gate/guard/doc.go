// Package guard keeps the connections of a gate that is killed.
//
// A gate has a second process, the guard, which shares its table of descriptors
// (clone(2) with CLONE_FILES): what the gate accepts the guard has, too, with no call
// for it and no copy. It sleeps until the gate has ended. Then it closes all that is no
// client's connection, and passes those that are to the next gate, at the socket where
// masters hand connections back. The gate has left in them what their clients have
// sent, so that the next one can begin anew.
//
// The guard is no Go program: after a clone without exec only system calls are left to
// a process that had threads. It is a copy of the gate's memory as of its start, which
// costs what the gate has changed since. A gate that ends by itself ends its guard.
package guard
