package runner

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"

	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
)

// Adopt has the master serve connections that somebody else has accepted on a
// socket that it does not have, as if they had come to that listener
// of its, by listen string. The files stay the caller's.
func (h *Handle) Adopt(ctx context.Context, listener string, conns []*os.File) error {
	fail := func(err error) error {
		return fmt.Errorf("cannot hand off %d connections to master %d of %s: %w", len(conns), h.PID, h.App, err)
	}
	all, fds := make([]control.Conn, len(conns)), make([]int, len(conns))
	for i, f := range conns {
		all[i].Listener = listener
		// The file stays open until its batch is sent.
		if err := listen.Control(f, func(fd int) error {
			fds[i] = fd
			all[i].Host, all[i].Port = evloop.HostPort(evloop.Peer(fd))
			return nil
		}); err != nil {
			return fail(err)
		}
	}
	ctrl, err := control.Dial(control.SocketPath(h.dir, h.PID))
	if err != nil {
		return fail(err)
	}
	defer ctrl.Close()
	stop := context.AfterFunc(ctx, func() { _ = ctrl.Close() })
	defer stop()
	r := bufio.NewReader(ctrl)
	for i := 0; i < len(all); i += control.MaxConns {
		end := min(i+control.MaxConns, len(all))
		if _, err := control.HandOff(ctrl, r, all[i:end], fds[i:end]); err != nil {
			return fail(err)
		}
	}
	runtime.KeepAlive(conns)
	return nil
}
