// Package state is what must outlive the daemon: the state directory, which holds
// what is true of running processes, and the data directory, which holds what must
// survive a reboot.
//
// Store is both, AppState what they hold of one app. Files are replaced as a whole;
// one that cannot be read is as good as none, and the reader is told. The locks are
// here too: of the daemon, and of whoever works on an app.
package state
