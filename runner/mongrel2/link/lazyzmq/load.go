package lazyzmq

/*
#cgo LDFLAGS: -Wl,--as-needed -ldl

#include <stdint.h>
#include <stdlib.h>

int64_t wsgid_zmq_queued(void);
const char *wsgid_zmq_load(const char *name);
*/
import "C"

import (
	"fmt"
	"sync"
	"unsafe"
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
	if err := load("libzmq.so.5"); err != nil {
		return err
	}
	loaded = true
	return nil
}

func load(name string) error {
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	if reason := C.wsgid_zmq_load(n); reason != nil {
		return fmt.Errorf("cannot load ZeroMQ, which mongrel2 sockets need (Debian's package libzmq5): %s", C.GoString(reason))
	}
	return nil
}

// Queued is how many bytes of long messages (32 KiB or more), of all sockets, ZeroMQ
// has taken and not yet given to the kernel.
func Queued() int64 { return int64(C.wsgid_zmq_queued()) }

var (
	mu     sync.Mutex
	loaded bool // guarded by mu
)
