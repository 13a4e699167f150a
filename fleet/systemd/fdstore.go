package systemd

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
)

// storePrefix begins the names of descriptors that we gave to the service
// manager's store, so that they are told from those of .socket units.
const storePrefix = "wsgid."

// maxStoreName is the longest FDNAME (sd_notify(3)).
const maxStoreName = 255

// notifyTimeout is the longest that a descriptor waits to be sent.
const notifyTimeout = 5 * time.Second

// ListenPrefix begins a listen string that names a descriptor of a .socket
// unit.
const ListenPrefix = "systemd:"

// fdStore keeps the apps' listening sockets in the service manager's store, so
// that they stay open while no daemon runs. It sends only what changed.
type fdStore struct {
	notify *notifier

	mu     sync.Mutex
	kept   map[string]uint64 // inode of the socket by FDNAME
	frozen bool
}

func newFDStore(n *notifier, apps map[string]map[string]*os.File) *fdStore {
	s := &fdStore{notify: n, kept: map[string]uint64{}}
	for app, files := range apps {
		for listen, f := range files {
			if name, ok := StoreName(app, listen); ok {
				s.kept[name], _ = inode(f)
			}
		}
	}
	return s
}

// freeze keeps the store as it is from now on.
func (s *fdStore) freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = true
}

// keep makes the store hold these sockets of the app and no others. Those of
// .socket units are left out: the unit holds them itself.
func (s *fdStore) keep(app string, files map[string]*os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen || !s.notify.present {
		return
	}
	wanted := map[string]*os.File{}
	for listen, f := range files {
		if strings.HasPrefix(listen, ListenPrefix) {
			continue
		}
		name, ok := StoreName(app, listen)
		if !ok {
			s.notify.log.Warn("cannot keep socket open across a restart of the daemon: its name is too long", "app", app, "listen", listen)
			continue
		}
		wanted[name] = f
	}
	for _, name := range slices.Sorted(maps.Keys(s.kept)) {
		a, _, ok := ParseStoreName(name)
		if ok && a == app && !s.holds(name, wanted[name]) {
			s.notify.send("FDSTOREREMOVE=1\nFDNAME=" + name)
			delete(s.kept, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if s.holds(name, wanted[name]) {
			continue
		}
		// FDPOLL=0: a listening socket has no end that the manager could see.
		err := s.notify.sendFile("FDSTORE=1\nFDPOLL=0\nFDNAME="+name, wanted[name])
		s.notify.told(err)
		if err == nil {
			s.kept[name], _ = inode(wanted[name])
		}
	}
}

// holds tells whether the store has this very socket under the name.
func (s *fdStore) holds(name string, f *os.File) bool {
	if f == nil {
		return false
	}
	kept, ok := s.kept[name]
	if !ok {
		return false
	}
	now, err := inode(f)
	return err == nil && now == kept
}

// sendFile sends a state together with a descriptor. It waits no longer than
// notifyTimeout for a service manager that does not read.
func (n *notifier) sendFile(state string, f *os.File) error {
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	wait := unix.NsecToTimeval(notifyTimeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(s, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait); err != nil {
		return err
	}
	to := &unix.SockaddrUnix{Name: os.Getenv("NOTIFY_SOCKET")}
	return listen.Control(f, func(fd int) error { return unix.Sendmsg(s, []byte(state), unix.UnixRights(fd), to, 0) })
}

// StoreName is the FDNAME of an app's socket: printable ASCII without colons.
func StoreName(app, listen string) (string, bool) {
	name := storePrefix + app + "." + url.QueryEscape(listen)
	return name, len(name) <= maxStoreName
}

// ParseStoreName is StoreName backwards; ok is false for a name of other making.
func ParseStoreName(name string) (app, listen string, ok bool) {
	rest, ok := strings.CutPrefix(name, storePrefix)
	if !ok {
		return "", "", false
	}
	app, escaped, ok := strings.Cut(rest, ".")
	if !ok || app == "" {
		return "", "", false
	}
	listen, err := url.QueryUnescape(escaped)
	return app, listen, err == nil && listen != ""
}

// IsSameSocket tells whether two files are one socket. Of one that cannot be asked
// it is assumed.
func IsSameSocket(f, g *os.File) bool {
	a, err1 := inode(f)
	b, err2 := inode(g)
	return err1 != nil || err2 != nil || a == b
}

func inode(f *os.File) (uint64, error) {
	var st unix.Stat_t
	if err := listen.Control(f, func(fd int) error { return unix.Fstat(fd, &st) }); err != nil {
		return 0, fmt.Errorf("cannot stat socket: %w", err)
	}
	return st.Ino, nil
}
