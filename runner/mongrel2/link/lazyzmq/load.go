package lazyzmq

/*
#cgo LDFLAGS: -Wl,--as-needed -ldl

#include <stdlib.h>

const char *wsgid_zmq_load(void);
*/
import "C"

import (
	"fmt"
	"sync"
)

// Load opens libzmq.so.5. It is to be called before the first use of zmq4, and
// before a chroot that the library cannot be found in; calls after the first
// successful one do nothing. The error names what is missing.
func Load() error {
	mu.Lock()
	defer mu.Unlock()
	if loaded {
		return nil
	}
	if reason := C.wsgid_zmq_load(); reason != nil {
		return fmt.Errorf("cannot load ZeroMQ (mongrel2 sockets need it, package libzmq5): %s", C.GoString(reason))
	}
	loaded = true
	return nil
}

var (
	mu     sync.Mutex
	loaded bool // guarded by mu
)
