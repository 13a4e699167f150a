package boot

import (
	"os"

	"golang.org/x/sys/unix"
)

// NameProcess gives this process the name that ss, top and the kernel's messages
// show, which has room for 15 bytes. By its program file all would be named alike.
func NameProcess(app string) {
	_ = os.WriteFile("/proc/self/comm", []byte("wsgid:"+app), 0)
}

// SetUmask is called first by every program: whatever the umask of its caller,
// what we make has the mode that we mean. The Python host must be readable for
// the apps' users, and nothing of ours writable for others. Workers have the umask
// of their spec.
func SetUmask() { unix.Umask(0o022) }
