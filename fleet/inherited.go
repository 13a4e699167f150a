package fleet

import "os"

// Inherited is what a daemon may be given by who started it.
type Inherited struct {
	// Lock is the open, locked fleet.lock of the program that executed this one
	// in place. nil: the daemon takes the lock itself.
	Lock *os.File
	// Activated are the sockets of .socket units by FileDescriptorName.
	Activated map[string]*os.File
	// Kept are listening sockets by app and listen string that were given to the
	// service manager by an earlier daemon (Hooks.KeepListeners).
	Kept map[string]map[string]*os.File
}
