package systemd

import (
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
)

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

// Names of descriptors in InheritEnv beside those of the store.
const (
	inheritLock  = "lock"
	inheritGiven = "given."
)

// InheritEnv lists, for a successor in this process, descriptors and their
// names: "7=lock 8=given.web". LISTEN_FDS cannot carry them: it
// wants them at 3 and up, where a Go program has its own.
const InheritEnv = "WSGID_INHERIT"

// TakeInherited takes what the environment announces, from the service manager
// or from the program that executed this one in its place (upgrade.go), and
// clears it, so that no child takes it for its own. Warnings tell of descriptors
// that are of no use; they are closed.
func TakeInherited() (in Inherited, warnings []string, err error) {
	t := taker{in: Inherited{Kept: map[string]map[string]*os.File{}, Activated: map[string]*os.File{}}}
	for _, given := range activation.Files(true) {
		f, err := listen.FileOf(given, given.Name())
		if err == nil {
			_ = given.Close()
		} else {
			f = given
		}
		t.add(f.Name(), f, true)
	}
	list := os.Getenv(InheritEnv)
	if err := os.Unsetenv(InheritEnv); err != nil {
		return t.in, t.warnings, err
	}
	for entry := range strings.FieldsSeq(list) {
		number, escaped, _ := strings.Cut(entry, "=")
		fd, err := strconv.Atoi(number)
		name, nameErr := url.QueryUnescape(escaped)
		if err != nil || nameErr != nil || fd < 3 {
			return t.in, t.warnings, fmt.Errorf("cannot take over descriptors: %s has the entry %q", InheritEnv, entry)
		}
		unix.CloseOnExec(fd)
		if name == inheritLock {
			t.in.Lock = os.NewFile(uintptr(fd), name)
			continue
		}
		f := listen.File(fd, name)
		if unit, ok := strings.CutPrefix(name, inheritGiven); ok {
			t.add(unit, f, true)
		} else {
			t.add(name, f, false)
		}
	}
	return t.in, t.warnings, nil
}

// PassOn calls pass with every file under the name that TakeInherited knows.
func (in Inherited) PassOn(pass func(name string, f *os.File) error) error {
	if err := pass(inheritLock, in.Lock); err != nil {
		return err
	}
	for app, files := range in.Kept {
		for listen, f := range files {
			// A name too long for the store is none too long for us.
			name, _ := StoreName(app, listen)
			if err := pass(name, f); err != nil {
				return err
			}
		}
	}
	for name, f := range in.Activated {
		if err := pass(inheritGiven+name, f); err != nil {
			return err
		}
	}
	return nil
}

// taker sorts descriptors by their names.
type taker struct {
	in       Inherited
	warnings []string
}

// add takes one descriptor. unitMade: the name may be one that a .socket unit
// chose.
func (t *taker) add(name string, f *os.File, unitMade bool) {
	app, listen, kept := ParseStoreName(name)
	if err := CheckListening(f, kept); err != nil {
		t.drop(f, "cannot use descriptor %q of the service manager: %v", name, err)
		return
	}
	switch {
	case kept && t.in.Kept[app][listen] != nil:
		// The store may hold a socket twice after a daemon died between two messages.
		_ = f.Close()
	case kept:
		if t.in.Kept[app] == nil {
			t.in.Kept[app] = map[string]*os.File{}
		}
		t.in.Kept[app][listen] = f
	case !unitMade:
		t.drop(f, "cannot use descriptor %q of the program before: unknown name", name)
	case t.in.Activated[name] != nil:
		t.drop(f, "cannot use every socket named %q: listen = %q uses the first one; give each a unit and a FileDescriptorName of its own",
			name, ListenPrefix+name)
	default:
		t.in.Activated[name] = f
	}
}

func (t *taker) drop(f *os.File, format string, args ...any) {
	_ = f.Close()
	t.warnings = append(t.warnings, fmt.Sprintf(format, args...))
}

// CheckListening tells why f is not a listening stream socket. Of ours it may be one of
// packets, as gates and masters have between them.
func CheckListening(f *os.File, ours bool) error {
	kind, accepts := 0, 0
	err := listen.Control(f, func(fd int) (err error) {
		if kind, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err == nil {
			accepts, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		}
		return err
	})
	switch {
	case err != nil:
		return fmt.Errorf("not a socket: %w", err)
	case kind != unix.SOCK_STREAM && (!ours || kind != unix.SOCK_SEQPACKET):
		return fmt.Errorf("not a stream socket (ListenStream=)")
	case accepts == 0:
		return fmt.Errorf("not listening (Accept=yes does not work here)")
	}
	return nil
}
