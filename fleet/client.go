package fleet

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// Client is an Operator that asks the daemon.
type Client struct {
	daemon DaemonStatus
	path   string // of the control socket
	http   *http.Client
}

// Connect reaches the fleet of a state directory: the daemon where one runs,
// else a Local. It fails where a daemon runs another spec directory than the
// one named, or does not answer.
func Connect(ctx context.Context, o Options) (Operator, error) {
	named, anyNamed, log := o.Dir != "", o.Dir != "" || o.StateDir != "", o.Log
	o = o.withDefaults()
	store := &state.Store{Dir: o.StateDir, Data: o.DataDir, FS: o.fs}
	if _, err := os.Lstat(o.StateDir); err == nil {
		if _, err := store.Check(); err != nil {
			if e := neighbourOf(o.StateDir); e != nil {
				return e.reach(ctx, named, o.Dir)
			}
			return nil, err
		}
	}
	// A daemon that is starting holds the lock before it answers.
	deadline := time.Now().Add(3 * time.Second)
	for {
		c, err := dial(ctx, store.SocketPath())
		if err == nil {
			return c.of(named && !o.Staged, o.Dir, o.StateDir)
		}
		if !store.DaemonHolds() {
			return o.local(ctx, store, named, anyNamed, log)
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return nil, fmt.Errorf("cannot reach the daemon (pid %d) of state directory %s: it does not answer on its control socket: %w",
				store.LockedBy(), o.StateDir, plainNet(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// local is the fleet where no daemon runs it, unless that of another state directory is meant;
// log is the one that was asked for.
func (o Options) local(ctx context.Context, store *state.Store, named, anyNamed bool, log *slog.Logger) (Operator, error) {
	mine, _ := store.Apps()
	if err := o.neighbour(anyNamed || len(mine) > 0); err != nil {
		if e, ok := errors.AsType[*NeighbourError](err); ok {
			return e.reach(ctx, named, o.Dir)
		}
		return nil, err
	}
	if o.stateChosen {
		if err := daemonElsewhere(ctx, o); err != nil {
			return nil, err
		}
	}
	o.Log = log
	if !named {
		o = o.lastCluster()
	}
	return OpenLocal(o)
}

// of is the client, if the daemon runs the fleet that was named.
func (c *Client) of(named bool, dir, stateDir string) (Operator, error) {
	if named && !samePlace(c.daemon.Dir, dir) {
		c.Close()
		return nil, fmt.Errorf("cannot use spec directory %s: the daemon (pid %d) on state directory %s runs the fleet of %s; name that directory with --dir, or another state directory with --state-dir",
			dir, c.daemon.PID, stateDir, c.daemon.Dir)
	}
	return c, nil
}

// reach is a client of that fleet for one of its admins; everybody else gets the
// error.
func (e *NeighbourError) reach(ctx context.Context, named bool, dir string) (Operator, error) {
	if c := e.asAdmin(ctx); c != nil {
		return c.of(named, dir, e.StateDir)
	}
	return nil, e
}

// connect opens a connection to the control socket. A daemon that has answered
// once and now refuses is being upgraded in place: it is back in a moment.
func connect(ctx context.Context, path string, answered bool) (net.Conn, error) {
	deadline := time.Now().Add(3 * time.Second)
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if err == nil || !answered || !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(deadline) {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// dial asks the daemon who it is.
func dial(ctx context.Context, path string) (*Client, error) {
	c := &Client{path: path}
	var answered atomic.Bool
	c.http = &http.Client{Transport: &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return connect(ctx, path, answered.Load()) },
		MaxIdleConns:       2,
		IdleConnTimeout:    10 * time.Second,
		DisableCompression: true,
	}}
	ctx, cancel := context.WithTimeout(ctx, reconcile.AnswerTimeout)
	defer cancel()
	if err := c.get(ctx, "/v1/daemon", &c.daemon); err != nil {
		c.Close()
		return nil, err
	}
	answered.Store(true)
	return c, nil
}

// Daemon is the daemon that the client speaks to.
func (c *Client) Daemon() DaemonStatus { return c.daemon }

// Runs tells whether a directory is the one that the daemon runs.
func (c *Client) Runs(dir string) bool { return samePlace(c.daemon.Dir, dir) }

// Close closes the connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Plan asks what Apply would do.
func (c *Client) Plan(ctx context.Context, apps []string) (*plan.Plan, error) {
	var p plan.Plan
	if err := c.getAgain(ctx, "/v1/plan?"+url.Values{"app": apps}.Encode(), &p); err != nil {
		return nil, err
	}
	return &p, nil
}

// Status asks what runs against what should.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	var s Status
	if err := c.getAgain(ctx, "/v1/status", &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// Apply is Operator's, as are Start, Stop, Restart, Reload and Scale.
func (c *Client) Apply(ctx context.Context, apps []string, progress func(Event)) ([]Result, error) {
	return c.commandAgain(ctx, "apply", command{Apps: apps}, progress)
}

// Start see Operator.
func (c *Client) Start(ctx context.Context, apps []string, progress func(Event)) ([]Result, error) {
	return c.commandAgain(ctx, "start", command{Apps: apps}, progress)
}

// Stop see Operator.
func (c *Client) Stop(ctx context.Context, apps []string, progress func(Event)) ([]Result, error) {
	return c.commandAgain(ctx, "stop", command{Apps: apps}, progress)
}

// Restart see Operator.
func (c *Client) Restart(ctx context.Context, apps []string, progress func(Event)) ([]Result, error) {
	return c.commandAgain(ctx, "restart", command{Apps: apps}, progress)
}

// Reload see Operator.
func (c *Client) Reload(ctx context.Context, apps []string, progress func(Event)) ([]Result, error) {
	return c.commandAgain(ctx, "reload", command{Apps: apps}, progress)
}

// Scale see Operator.
func (c *Client) Scale(ctx context.Context, counts map[string]int, progress func(Event)) ([]Result, error) {
	return c.commandAgain(ctx, "scale", command{Counts: counts}, progress)
}

// Deploys see Operator.
func (c *Client) Deploys(ctx context.Context, apps []string) ([]*deploy.Entry, error) {
	var es []*deploy.Entry
	return es, c.getAgain(ctx, "/v1/deploys?"+url.Values{"app": apps}.Encode(), &es)
}

func (c *Client) do(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://fleet"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.lost(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var a answer
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&a); err != nil || a.Error == "" {
		return nil, fmt.Errorf("cannot ask the daemon (pid %d) for %s: it answers %s; is it another version of the program?", c.daemon.PID, path, resp.Status)
	}
	return nil, a.err()
}

// lostError says that the daemon is not heard from any more.
type lostError struct {
	pid int
	err error
}

func (e *lostError) Error() string {
	return fmt.Sprintf("cannot read from the daemon (pid %d): %v", e.pid, e.err)
}
func (e *lostError) Unwrap() error { return e.err }

func (c *Client) lost(err error) error { return &lostError{pid: c.daemon.PID, err: plainNet(err)} }

func (c *Client) get(ctx context.Context, path string, v any) error {
	return c.read(ctx, http.MethodGet, path, nil, v)
}

// read asks, and reads the one value that is answered.
func (c *Client) read(ctx context.Context, method, path string, body io.Reader, v any) error {
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		return c.lost(err)
	}
	return nil
}

func (c *Client) command(ctx context.Context, verb string, cmd command, progress func(Event)) ([]Result, error) {
	body, err := json.Marshal(cmd)
	if err != nil {
		return nil, err
	}
	resp, err := c.do(ctx, http.MethodPost, "/v1/"+verb, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return c.lines(resp, progress)
}

// lines reads what happens, to the results.
func (c *Client) lines(resp *http.Response, progress func(Event)) ([]Result, error) {
	defer resp.Body.Close()
	dec := json.NewDecoder(bufio.NewReader(resp.Body))
	for {
		var a answer
		if err := dec.Decode(&a); err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("it exited before it answered")
			}
			return nil, c.lost(err)
		}
		switch {
		case a.Error != "":
			return nil, a.err()
		case a.Results != nil:
			return *a.Results, nil
		case a.Event != nil && progress != nil:
			progress(*a.Event)
		}
	}
}

// plainNet takes "Get http://fleet/…: dial unix …" down to its reason.
func plainNet(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	if en, ok := errors.AsType[syscall.Errno](err); ok {
		return en
	}
	return appspec.JSONReason(err)
}

// samePlace tells whether two paths lead to one directory.
func samePlace(a, b string) bool {
	if a == b {
		return true
	}
	ra, erra := filepath.EvalSymlinks(a)
	rb, errb := filepath.EvalSymlinks(b)
	return erra == nil && errb == nil && ra == rb
}
