package console

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Fleet is what a console shows; fleet.Served is one.
type Fleet interface {
	Look(ctx context.Context, last *fleet.Status) *fleet.Status
	Glance(ctx context.Context, last *fleet.Status) *fleet.Status
	App(ctx context.Context, name string) (st fleet.AppStatus, c *runner.Counters, found bool)
	Plan(ctx context.Context, apps []string) (*plan.Plan, error)
	ApplyPlan(ctx context.Context, digest string, progress func(fleet.Event)) ([]fleet.Result, error)
	Start(ctx context.Context, apps []string, progress func(fleet.Event)) ([]fleet.Result, error)
	Stop(ctx context.Context, apps []string, progress func(fleet.Event)) ([]fleet.Result, error)
	Restart(ctx context.Context, apps []string, progress func(fleet.Event)) ([]fleet.Result, error)
	Reload(ctx context.Context, apps []string, progress func(fleet.Event)) ([]fleet.Result, error)
	Deploy(ctx context.Context, o fleet.DeployOrder, progress func(fleet.Event)) ([]fleet.Result, error)
	Deploys(ctx context.Context, apps []string) ([]*deploy.Entry, error)
	LogTarget(app string) string
	DataDir() string
	StateDir() string
	Version() string
	Life() context.Context
}

// Console is a console of one daemon: New, Control for its control socket, Run.
type Console struct {
	address string // as given
	network string
	target  string   // of the network
	hosts   []string // names that it may be asked by, besides loopback literals
	log     *slog.Logger
	retry   time.Duration // see listenRetry

	codes codes
	wrong bucket // of codes that were wrong
	// stolen is of sessions that another user's process used.
	stolen bucket
	jobs   jobs
	board  *board
	hub    *hub
	fleet  Fleet // since Run

	mu      sync.Mutex
	key     []byte // guarded by mu: signs sessions and forms; nil: Run has not begun
	gone    map[string]time.Time
	problem string // guarded by mu: why it does not listen; empty: it does
}

// listenRetry is how often an address that cannot be had is tried again.
const listenRetry = 10 * time.Second

// New makes a console for an address that CheckAddress accepts. Hosts are names
// under which a proxy may ask for it.
func New(address string, hosts []string, log *slog.Logger) (*Console, error) {
	network, target, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	c := &Console{address: address, network: network, target: target, log: log, retry: listenRetry, problem: "it is being started"}
	for _, h := range hosts {
		if h = strings.ToLower(strings.TrimSuffix(h, ".")); h == "" || strings.ContainsAny(h, "/: \t*") {
			return nil, fmt.Errorf("%q is not a host name, such as ops.example.org", h)
		}
		c.hosts = append(c.hosts, h)
	}
	return c, nil
}

// Run serves until ctx ends. An address that cannot be had is no reason not to run
// the fleet: it is reported and tried again.
func (c *Console) Run(ctx context.Context, f Fleet) {
	c.fleet = f
	c.board = &board{fleet: f}
	c.hub = &hub{board: c.board, life: ctx, rings: map[string]*ring{}}
	defer c.hub.wait()
	told := ""
	for {
		err := c.prepare()
		if err == nil {
			var ln net.Listener
			if ln, err = c.listen(ctx); err == nil {
				c.log.Info("console is served", "address", c.address, "next", "wsgid-fleet console shows how to open it")
				c.down("")
				if err = c.serve(ctx, ln); err == nil {
					return
				}
			}
		}
		if ctx.Err() != nil {
			return
		}
		c.down(err.Error())
		if text := err.Error(); text != told {
			told = text
			c.log.Error("cannot serve the console", "address", c.address, "err", text,
				"next", fmt.Sprintf("retrying every %v; the fleet continues without it", c.retry))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(c.retry):
		}
	}
}

// prepare gets the key of sessions.
func (c *Console) prepare() error {
	key, err := loadKey(c.fleet.StateDir())
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.key = key
	return nil
}

func (c *Console) down(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problem = why
}

func (c *Console) serve(ctx context.Context, ln net.Listener) error {
	srv := &http.Server{
		Handler: c.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: log.New(&quiet{c.log}, "", 0),
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: withPeer,
	}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	err := srv.Serve(&bounded{Listener: ln, room: make(chan struct{}, maxConns)})
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// quiet turns what net/http says of bad clients into debug lines.
type quiet struct{ log *slog.Logger }

func (q *quiet) Write(b []byte) (int, error) {
	q.log.Debug("console", "err", strings.TrimSpace(string(b)))
	return len(b), nil
}
