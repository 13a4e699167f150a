package console

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

// maxConns is how many connections are served at a time; more wait.
const maxConns = 128

// parseAddress tells what is wrong with an address of a console, and what it is.
func parseAddress(address string) (network, target string, err error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if !filepath.IsAbs(path) || strings.ContainsRune(path, 0) || len(path) > 100 {
			return "", "", fmt.Errorf("%q is not unix: and an absolute path of at most 100 bytes, such as unix:/run/wsgid/console.sock", address)
		}
		return "unix", filepath.Clean(path), nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", "", fmt.Errorf("%q is neither unix:PATH nor 127.0.0.1:PORT", address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || strconv.Itoa(n) != port {
		return "", "", fmt.Errorf("%q has no port from 1 to 65535, such as 127.0.0.1:9191", address)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.IsLoopback() || ip.Zone() != "" || ip.Is4In6() {
		return "", "", fmt.Errorf("%q can be reached from other machines, and the console has no TLS; write 127.0.0.1:%s and come by ssh -L %s:127.0.0.1:%s, or unix:PATH with a proxy in front of it", address, port, port, port)
	}
	return "tcp", net.JoinHostPort(ip.String(), port), nil
}

func (c *Console) listen(ctx context.Context) (net.Listener, error) {
	if c.network == "tcp" {
		ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.target)
		return ln, plain(err)
	}
	return listenUnix(ctx, c.target, fleet.ListenForAdmins)
}

// listenUnix listens at a path; open makes the socket there, under another name first.
func listenUnix(ctx context.Context, path string, open func(path, tmp string) (*net.UnixListener, error)) (net.Listener, error) {
	if err := safeFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	// Only a socket on which nobody answers any more is taken away.
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, plain(err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s exists and is not a socket; remove it, or choose another path", path)
	default:
		if conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path); err == nil {
			conn.Close()
			return nil, fmt.Errorf("another program listens on %s", path)
		}
	}
	ln, err := open(path, fmt.Sprintf("%s.%d", path, os.Getpid()))
	if err != nil {
		return nil, plain(err)
	}
	return &socketFile{UnixListener: ln, path: path}, nil
}

// listenForViewers opens a socket for its owner and the group of its folder: who is to look
// is told by that folder. Nobody can connect before its mode is right.
func listenForViewers(path, tmp string) (*net.UnixListener, error) {
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: tmp, Net: "unix"})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false)
	if err = os.Chmod(tmp, 0o600); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Gid) != os.Getegid() {
			err = os.Lchown(tmp, -1, int(st.Gid))
		}
	}
	if err == nil {
		err = os.Chmod(tmp, 0o660)
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		ln.Close()
		_ = os.Remove(tmp)
		return nil, err
	}
	return ln, nil
}

// safeFolder tells whether a folder is one in which nobody else than root and we
// change what is ours.
func safeFolder(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("folder %s: %w", dir, plain(err))
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid != 0 && int(st.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("others may write to folder %s; choose a path in a folder that only root may write to, such as /run/wsgid", dir)
	}
	return nil
}

// socketFile takes its file away when it is closed.
type socketFile struct {
	*net.UnixListener
	path string
}

func (s *socketFile) Close() error {
	err := s.UnixListener.Close()
	if err == nil {
		_ = os.Remove(s.path)
	}
	return err
}

// plain is the reason of an error, without what the message says already.
func plain(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	if en, ok := errors.AsType[unix.Errno](err); ok {
		return en
	}
	return err
}

// bounded accepts so many connections at a time.
type bounded struct {
	net.Listener
	room chan struct{}
}

func (b *bounded) Accept() (net.Conn, error) {
	b.room <- struct{}{}
	conn, err := b.Listener.Accept()
	if err != nil {
		<-b.room
		return nil, err
	}
	return &counted{Conn: conn, leave: sync.OnceFunc(func() { <-b.room })}, nil
}

type counted struct {
	net.Conn
	leave func()
}

func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

type peerKey struct{}

// socketPeer is the user at the other end of a unix socket.
type socketPeer struct {
	who  string
	ours bool // root, or who runs the fleet
}

type viewerKey struct{}

// withViewer is withPeer for the socket of viewers.
func withViewer(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(withPeer(ctx, conn), viewerKey{}, true)
}

// withPeer notes whose process is at the other end of a unix socket.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	if c, ok := conn.(*counted); ok {
		conn = c.Conn
	}
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return withEnds(ctx, conn)
	}
	at := socketPeer{who: "somebody at the socket"}
	if raw, err := u.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
				at.ours = cred.Uid == 0 || int(cred.Uid) == os.Geteuid()
				at.who = "uid " + strconv.FormatUint(uint64(cred.Uid), 10)
				if usr, err := user.LookupId(strconv.FormatUint(uint64(cred.Uid), 10)); err == nil {
					at.who = usr.Username
				}
			}
		})
	}
	return context.WithValue(ctx, peerKey{}, at)
}

// peer is the user at the other end of a unix socket; empty: it is none.
func peer(r *http.Request) string {
	at, _ := r.Context().Value(peerKey{}).(socketPeer)
	return at.who
}

// looksOnly tells whether it came by the socket of viewers.
func looksOnly(r *http.Request) bool { return r.Context().Value(viewerKey{}) != nil }

// ours tells whether root or who runs the fleet is at the other end of a unix socket.
func (c *Console) ours(r *http.Request) bool {
	at, _ := r.Context().Value(peerKey{}).(socketPeer)
	return at.ours
}
