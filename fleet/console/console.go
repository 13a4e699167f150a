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
	Poll(ctx context.Context, last *fleet.Status) *fleet.Status
	App(ctx context.Context, name string) (st fleet.AppStatus, c *runner.Counters, found bool)
	Stacks(ctx context.Context, app string) ([]runner.ThreadStack, error)
	Plan(ctx context.Context, apps []string) (*plan.Plan, error)
	ApplyPlan(ctx context.Context, digest string, progress func(fleet.Event)) ([]fleet.Result, error)
	Start(ctx context.Context, apps []string, progress func(fleet.Event)) ([]fleet.Result, error)
	Stop(ctx context.Context, apps []string, progress func(fleet.Event)) ([]fleet.Result, error)
	Restart(ctx context.Context, apps []string, progress func(fleet.Event)) ([]fleet.Result, error)
	Reload(ctx context.Context, apps []string, progress func(fleet.Event)) ([]fleet.Result, error)
	Deploy(ctx context.Context, o fleet.DeployOrder, progress func(fleet.Event)) ([]fleet.Result, error)
	Deploys(ctx context.Context, apps []string) ([]*deploy.Entry, error)
	OnTotals(f func(app string, pid int, t runner.Totals))
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
	follows bool          // see follows
	proxy   string        // the file of roles of those who come by a proxy; empty: there is none
	viewers string        // path of a unix socket on which everybody is a viewer; empty: there is none

	codes codes
	wrong bucket // of codes that were wrong
	// stolen is of sessions that another user's process used.
	stolen bucket
	jobs   jobs
	cache  *statusCache
	hub    *hub
	day    *history
	fleet  Fleet // since Run

	mu      sync.Mutex
	key     []byte // guarded by mu: signs sessions and forms; nil: Run has not begun
	gone    map[string]time.Time
	problem string // guarded by mu: why it does not listen; empty: it does
}

// listenRetry is how often an address that cannot be had is tried again.
const listenRetry = 10 * time.Second

// New makes a console for an address: unix:PATH, or one of this machine alone. Hosts
// are names under which a proxy may ask for it.
func New(address string, hosts []string, log *slog.Logger) (*Console, error) {
	network, target, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	c := &Console{address: address, network: network, target: target, log: log, retry: listenRetry, follows: follows(web), problem: "it is being started"}
	for _, h := range hosts {
		if h = strings.ToLower(strings.TrimSuffix(h, ".")); h == "" || strings.ContainsAny(h, "/: \t*") {
			return nil, fmt.Errorf("%q is not a host name, such as ops.example.org", h)
		}
		c.hosts = append(c.hosts, h)
	}
	return c, nil
}

// Behind has a proxy in front of the unix socket say who asks, and a file what role each has.
// The file is read whenever somebody asks; that it cannot be keeps no fleet from running.
func (c *Console) Behind(file string) error {
	if c.network != "unix" {
		return fmt.Errorf("a proxy is believed on a unix socket only: serve the console at unix:PATH, not at %s", c.address)
	}
	c.proxy = file
	return nil
}

// ForViewers serves on a unix socket more, unix:PATH, whoever may connect to it: as a
// viewer, whatever he is elsewhere.
func (c *Console) ForViewers(address string) error {
	network, target, err := parseAddress(address)
	switch {
	case err != nil:
		return err
	case network != "unix":
		return fmt.Errorf("viewers are told by who may open a unix socket: write unix:PATH, not %s", address)
	case network == c.network && target == c.target:
		return fmt.Errorf("%s is the socket of operators already; name another one", address)
	}
	c.viewers = target
	return nil
}

// Run serves until ctx ends. An address that cannot be had is no reason not to run
// the fleet: it is reported and tried again.
func (c *Console) Run(ctx context.Context, f Fleet) {
	c.fleet = f
	c.cache = &statusCache{fleet: f}
	c.day = newHistory(time.Now())
	f.OnTotals(func(app string, pid int, t runner.Totals) { c.day.tell(app, pid, t, time.Now()) })
	c.hub = &hub{cache: c.cache, life: ctx, rings: map[string]*ring{}}
	defer c.hub.wait()
	if c.viewers != "" {
		var beside sync.WaitGroup
		defer beside.Wait()
		beside.Go(func() {
			c.keep(ctx, "unix:"+c.viewers, "the group of its folder may open it, as viewers", withViewer,
				func() (net.Listener, error) { return listenUnix(ctx, c.viewers, listenForViewers) }, func(string) {})
		})
	}
	c.keep(ctx, c.address, "wsgid-fleet console shows how to open it", withPeer, func() (net.Listener, error) { return c.listen(ctx) }, c.down)
}

// keep serves at an address until ctx ends; down is told why it does not, and "" when it does.
func (c *Console) keep(ctx context.Context, address, next string, who func(context.Context, net.Conn) context.Context, listen func() (net.Listener, error), down func(why string)) {
	told := ""
	for {
		err := c.prepare()
		if err == nil {
			var ln net.Listener
			if ln, err = listen(); err == nil {
				c.log.Info("console is served", "address", address, "next", next)
				down("")
				if err = c.serve(ctx, ln, who); err == nil {
					return
				}
			}
		}
		if ctx.Err() != nil {
			return
		}
		down(err.Error())
		if text := err.Error(); text != told {
			told = text
			c.log.Error("cannot serve the console", "address", address, "err", text,
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
	if c.proxy != "" {
		if _, err := readRoles(c.proxy); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key, err := loadKey(c.fleet.StateDir())
	if err != nil {
		return err
	}
	c.key = key
	return nil
}

func (c *Console) down(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problem = why
}

func (c *Console) serve(ctx context.Context, ln net.Listener, who func(context.Context, net.Conn) context.Context) error {
	srv := &http.Server{
		Handler: c.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: log.New(&quiet{c.log}, "", 0),
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: who,
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
