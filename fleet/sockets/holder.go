package sockets

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/systemd"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// The holder is a process that outlives the daemon and does nothing but hold the
// listening sockets of apps without a master, so that a daemon that is killed
// loses no connection to them. It runs only while there are such sockets, and
// only where no service manager has a store for them.
//
// It speaks packets over <state>/sockets.sock, a name each, with a descriptor
// where there is one:
//
//	keep NAME +fd   hold this
//	drop NAME       no longer
//	list            answer with a "held NAME +fd" for each, and "end"
//	take APP        likewise those of one app, and drop them

// HolderName is how the holder calls itself: the start of its first argument.
const HolderName = "wsgid: sockets of "

// holderPatience is how long the sockets of a dead daemon wait for the next one.
// Clients of them wait as long. Tests that wait for its end link a shorter one.
var holderPatience = "1m"

// Main runs the part of the program that this process was executed for by the
// daemon, if any, and then does not return.
func Main() {
	if strings.HasPrefix(os.Args[0], HolderName) {
		runHolder()
	}
}

// HolderPath is where the holder of a state directory is asked.
func HolderPath(stateDir string) string { return filepath.Join(stateDir, "sockets.sock") }

func runHolder() {
	runtime.GOMAXPROCS(1)
	unix.CloseOnExec(3)
	f := os.NewFile(3, "sockets")
	ln, err := net.FileListener(f)
	_ = f.Close()
	if err != nil {
		os.Exit(1)
	}
	l, ok := ln.(*net.UnixListener)
	if !ok {
		os.Exit(1)
	}
	l.SetUnlinkOnClose(false)
	runner.TrimMemory()
	patience, err := time.ParseDuration(holderPatience)
	if err != nil {
		os.Exit(1)
	}
	path, id := HolderPath(strings.TrimPrefix(os.Args[0], HolderName)), os.Getenv(holderEnv)
	held := map[string]*os.File{}
	for first := true; ; first = false {
		var c *net.UnixConn
		if first || len(held) > 0 {
			_ = l.SetDeadline(time.Now().Add(patience))
			c, _ = l.AcceptUnix()
		}
		if c == nil {
			if c = lastClient(l, path, id); c == nil {
				break
			}
		}
		serveHolder(c, held)
		_ = c.Close()
	}
	os.Exit(0)
}

// holderEnv tells the holder which file is its socket: SocketID of it.
const holderEnv = "WSGID_HOLDER"

// lastClient takes the holder's socket away, and returns who came in that very
// moment, for whom it is put back. A file that is not the holder's own is another
// holder's: it stays. The lock keeps that one from being made meanwhile.
func lastClient(l *net.UnixListener, path, id string) *net.UnixConn {
	unlock, err := lockHolder(path)
	if err != nil {
		return nil // a file too many does no harm
	}
	defer unlock()
	mine := SocketID(path) == id
	if mine && os.Rename(path, path+".old") != nil {
		return nil
	}
	_ = l.SetDeadline(time.Now().Add(10 * time.Millisecond))
	c, err := l.AcceptUnix()
	switch {
	case !mine:
	case err == nil:
		_ = os.Rename(path+".old", path)
	default:
		_ = os.Remove(path + ".old")
	}
	if err != nil {
		return nil
	}
	return c
}

// lockHolder keeps others from making or removing a holder's socket.
func lockHolder(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}

// SocketID tells files apart, also those of one name; empty: there is none.
func SocketID(path string) string {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil {
		return ""
	}
	return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// serveHolder does what one client asks, until it goes.
func serveHolder(c *net.UnixConn, held map[string]*os.File) {
	for {
		verb, name, f, err := readPacket(c)
		if err != nil {
			return
		}
		switch verb {
		case "keep":
			if f != nil {
				_ = held[name].Close() // nil: it says so
				held[name] = f
				f = nil
			}
		case "drop":
			_ = held[name].Close() // nil: it says so
			delete(held, name)
		case "list", "take":
			for _, n := range slices.Sorted(maps.Keys(held)) {
				if app, _, _ := systemd.ParseStoreName(n); verb == "take" && app != name {
					continue
				}
				if writePacket(c, "held", n, held[n]) != nil {
					return
				}
				if verb == "take" {
					_ = held[n].Close()
					delete(held, n)
				}
			}
			if writePacket(c, "end", "", nil) != nil {
				return
			}
		}
		if f != nil {
			_ = f.Close()
		}
	}
}
