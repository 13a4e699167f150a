package listen

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// OpenMissing returns the listening sockets of a spec: those given, and
// those it opens for the rest, which opened holds too and the caller closes.
func OpenMissing(spec *appspec.Spec, given map[string]*os.File) (all map[string]*os.File, opened []*os.File, err error) {
	all = map[string]*os.File{}
	for i := range spec.Sockets.HTTP {
		s := &spec.Sockets.HTTP[i]
		if f := given[s.Listen]; f != nil {
			kept, err := keepsFile(spec, s)
			if err != nil {
				return all, opened, err
			}
			if kept {
				all[s.Listen] = f
				continue
			}
		}
		f, err := Open(spec, s)
		if err != nil {
			return all, opened, err
		}
		all[s.Listen] = f
		opened = append(opened, f)
	}
	return all, opened, nil
}

// Open opens one http socket of a spec. A unix socket that nobody listens on
// any more is replaced.
func Open(spec *appspec.Spec, s *appspec.HTTPSocket) (*os.File, error) {
	if name, ok := strings.CutPrefix(s.Listen, "systemd:"); ok {
		return nil, fmt.Errorf("cannot listen on %s: the service manager handed over no descriptor named %q (FileDescriptorName= of a .socket unit)", s.Listen, name)
	}
	if path, ok := strings.CutPrefix(s.Listen, "unix:"); ok {
		return listenUnix(spec, s, path)
	}
	ln, err := listenTCP(s.Listen)
	if err != nil {
		switch {
		case errors.Is(err, unix.EADDRINUSE):
			return nil, &TakenError{Listen: s.Listen}
		case errors.Is(err, unix.EACCES):
			return nil, fmt.Errorf("cannot listen on %s: ports below 1024 need root or CAP_NET_BIND_SERVICE", s.Listen)
		case errors.Is(err, unix.EADDRNOTAVAIL):
			return nil, fmt.Errorf("cannot listen on %s: no interface of this machine has that address", s.Listen)
		}
		return nil, fmt.Errorf("cannot listen on %s: %w", s.Listen, err)
	}
	defer ln.Close()
	return FileOf(ln.(*net.TCPListener), s.Listen)
}

// TakenError says that somebody else listens where a spec says.
type TakenError struct{ Listen string }

func (e *TakenError) Error() string {
	who := "the port is taken by another process (ss -ltnp shows which)"
	if strings.HasPrefix(e.Listen, "unix:") {
		who = "another process listens there"
	}
	return "cannot listen on " + e.Listen + ": " + who
}

// Start makes a socket listen that is only bound yet: who opened it
// beside a socket that another master still serves wanted no connection to come
// to it before there is somebody to serve it.
func Start(fd int) error {
	on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil || on != 0 {
		return err
	}
	return unix.Listen(fd, backlog)
}

// backlog is how many connections may wait to be accepted; the kernel bounds it
// by net.core.somaxconn. At a unix socket one more does not wait: who does not want to be
// held up, as nginx, is refused at once (findings/nginx-fails-at-a-full-unix-socket-at-once.sh).
const backlog = 65535

// StartFile is Start for a file.
func StartFile(f *os.File) error { return Control(f, Start) }
