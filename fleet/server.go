package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
)

// The control protocol is HTTP over fleet.sock.
//
//	GET  /v1/daemon             who runs: DaemonStatus
//	GET  /v1/status             Status
//	GET  /v1/stacks?app=NAME    [runner.ThreadStack, …]
//	GET  /metrics               for Prometheus
//	GET  /v1/plan?app=NAME&…    Plan
//	POST /v1/plan               Plan of the specs of another directory, see staged.go
//	POST /v1/{apply,start,stop,restart,reload}   {"apps": [NAME, …]}
//	POST /v1/scale                               {"counts": {NAME: N}}
//	POST /v1/trigger                             {"trigger": TriggerOrder}
//	POST /v1/deploy                              {"deploy": DeployOrder}
//	GET  /v1/deploy?app=NAME&order=ID&told=N     follows a deploy, see Follow; the POST may have order=ID, too
//	GET  /v1/deploys?app=NAME&…                  [deploy.Entry, …]
//	POST /v1/console                             {"viewer": BOOL, "by": WHO}: ConsoleLogin, where a console is served
//
// What POST starts answers with lines of JSON: {"event": Event} as things
// happen, at last {"results": [Result, …]} or {"error": TEXT}. An error before
// that is a status of 400 or more and {"error": TEXT}. A client that goes away
// stops its waiting, not what it started.

// command is the body of a POST.
type command struct {
	Apps   []string       `json:"apps,omitempty"`
	Counts map[string]int `json:"counts,omitempty"`
	Deploy *DeployOrder   `json:"deploy,omitempty"`

	Trigger *TriggerOrder `json:"trigger,omitempty"`
}

// answer is one line of what a POST answers, and the body of an error.
type answer struct {
	Event   *Event    `json:"event,omitempty"`
	Results *[]Result `json:"results,omitempty"`
	Error   string    `json:"error,omitempty"`
	Unknown bool      `json:"unknown,omitempty"` // the error is an UnknownAppError
	Again   bool      `json:"again,omitempty"`   // the error is an againError
	NoOrder bool      `json:"noOrder,omitempty"` // the error is errNoOrder
}

// writeTimeout is how long a client may take to read a line.
const writeTimeout = 10 * time.Second

// listenControl opens the control socket, 0600, or 0660 for the admin group. The caller holds the daemon's
// lock, so what lies there is left over.
func listenControl(path string) (net.Listener, error) {
	tmp := path + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return nil, fmt.Errorf("cannot open control socket %s: %w", path, bounded.Reason(err))
	}
	ln, err := ListenForAdmins(path, tmp)
	if err != nil {
		return nil, fmt.Errorf("cannot open control socket %s: %w", path, bounded.Reason(err))
	}
	return ln, nil
}

// ListenForAdmins opens a unix socket for the owner of the fleet and the admin group
// alone. It is made under another name, tmp, and moved: nobody can speak to it before
// its mode is right, it appears complete, and who asks in an upgrade never finds none.
func ListenForAdmins(path, tmp string) (*net.UnixListener, error) {
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: tmp, Net: "unix"})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false)
	if err = os.Chmod(tmp, 0o600); err == nil {
		err = shareControl(tmp)
	}
	if err == nil && os.Rename(tmp, path) != nil {
		if err = os.RemoveAll(path); err == nil { // no socket lies there
			err = os.Rename(tmp, path)
		}
	}
	if err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}

func (d *Daemon) serve(ctx context.Context, ln net.Listener) {
	srv := &http.Server{
		Handler:           d.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    64 << 10,
		// What net/http says of bad clients.
		ErrorLog:    slog.NewLogLogger(d.core.Log.With("socket", "control").Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	go func() {
		<-ctx.Done()
		// Answers that are nearly done may go out; nobody is waited for long.
		sctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if srv.Shutdown(sctx) != nil {
			srv.Close()
		}
	}()
	err := srv.Serve(ln)
	if !errors.Is(err, http.ErrServerClosed) {
		d.core.Log.Error("control socket is closed", "err", err, "next", "restart the daemon; the apps run on")
	}
	<-ctx.Done()
	_ = os.Remove(d.core.Store.SocketPath())
}

func (d *Daemon) handler() http.Handler {
	mux := http.NewServeMux()
	ops := d.operations()
	mux.HandleFunc("GET /v1/daemon", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, d.self()) })
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) {
		v, err := ops.Status(r.Context())
		replyOr(w, v, err)
	})
	mux.HandleFunc("GET /v1/stacks", func(w http.ResponseWriter, r *http.Request) {
		v, err := ops.Stacks(r.Context(), r.URL.Query().Get("app"))
		replyOr(w, v, err)
	})
	mux.HandleFunc("GET /v1/plan", func(w http.ResponseWriter, r *http.Request) {
		v, err := ops.Plan(r.Context(), r.URL.Query()["app"])
		replyOr(w, v, err)
	})
	mux.HandleFunc("POST /v1/plan", func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Minute))
		var s staged
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxStaged)).Decode(&s); err != nil {
			reply(w, http.StatusBadRequest, answer{Error: "cannot read the request: " + appspec.JSONReason(err).Error()})
			return
		}
		v, err := ops.planStaged(r.Context(), s)
		replyOr(w, v, err)
	})
	mux.HandleFunc("GET /v1/deploys", func(w http.ResponseWriter, r *http.Request) {
		v, err := ops.Deploys(r.Context(), r.URL.Query()["app"])
		replyOr(w, v, err)
	})
	mux.HandleFunc("GET /v1/deploy", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		told, _ := strconv.Atoi(q.Get("told"))
		stream(w, r, command{}, func(ctx context.Context, _ command, p func(Event)) ([]Result, error) {
			return ops.Follow(ctx, q.Get("app"), q.Get("order"), told, p)
		})
	})
	type run func(context.Context, command, func(Event)) ([]Result, error)
	byName := func(f func(context.Context, []string, func(Event)) ([]Result, error)) run {
		return func(ctx context.Context, c command, p func(Event)) ([]Result, error) { return f(ctx, c.Apps, p) }
	}
	for verb, f := range map[string]run{
		"apply": byName(ops.Apply), "start": byName(ops.Start), "stop": byName(ops.Stop),
		"restart": byName(ops.Restart), "reload": byName(ops.Reload),
		"scale": func(ctx context.Context, c command, p func(Event)) ([]Result, error) {
			return ops.Scale(ctx, c.Counts, p)
		},
		"trigger": func(ctx context.Context, c command, p func(Event)) ([]Result, error) {
			if c.Trigger == nil {
				return nil, errors.New("cannot trigger: no order")
			}
			return ops.Trigger(ctx, *c.Trigger, p)
		},
		"deploy": func(ctx context.Context, c command, p func(Event)) ([]Result, error) {
			if c.Deploy == nil {
				return nil, errors.New("cannot deploy: no order")
			}
			return ops.Deploy(ctx, *c.Deploy, p)
		},
	} {
		mux.HandleFunc("POST /v1/"+verb, func(w http.ResponseWriter, r *http.Request) {
			var c command
			dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&c); err != nil {
				reply(w, http.StatusBadRequest, answer{Error: "cannot read the request: " + appspec.JSONReason(err).Error()})
				return
			}
			if c.Deploy != nil {
				c.Deploy.Order = r.URL.Query().Get("order")
				end, err := d.deploys.begin(*c.Deploy)
				if err != nil {
					replyOr(w, nil, err)
					return
				}
				defer end()
			}
			stream(w, r, c, f)
		})
	}
	mux.Handle("GET /metrics", &d.metrics)
	if d.Extra != nil {
		mux.Handle("/", d.Extra)
	}
	return mux
}

// operations are the commands as the daemon carries them out.
func (d *Daemon) operations() *operations {
	return &operations{
		core:   d.core,
		pass:   d.loop.Reconciler.Do,
		daemon: d.self,
		life:   d.life,

		sweeping: &d.sweeping,
		reread: func(ctx context.Context) (*hclspec.Set, error) {
			done := make(chan struct{})
			d.loop.Post(ctx, func() { d.loop.Reread(func() { close(done) }) })
			select {
			case <-done:
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			case <-d.life.Done(): // nobody reads any more
				return nil, reconcile.ErrClosing
			}
			return d.core.Dir.Snapshot()
		},
	}
}

// stream runs a command and writes what happens, line by line.
func stream(w http.ResponseWriter, r *http.Request, c command, f func(context.Context, command, func(Event)) ([]Result, error)) {
	rc := http.NewResponseController(w)
	enc := json.NewEncoder(w)
	started, broken := false, false
	line := func(a answer) {
		if broken {
			return
		}
		if !started {
			started = true
			w.Header().Set("Content-Type", "application/x-ndjson")
		}
		_ = rc.SetWriteDeadline(time.Now().Add(writeTimeout))
		if err := enc.Encode(a); err != nil {
			broken = true
			return
		}
		if err := rc.Flush(); err != nil {
			broken = true
		}
	}
	// The reader's deadline would end the request's context in the middle.
	_ = rc.SetReadDeadline(time.Time{})
	results, err := f(r.Context(), c, func(ev Event) { line(answer{Event: &ev}) })
	switch {
	case err != nil && !started:
		replyOr(w, nil, err)
	case err != nil:
		line(answerOf(err))
	default:
		if results == nil {
			results = []Result{}
		}
		line(answer{Results: &results})
	}
}

func replyOr(w http.ResponseWriter, v any, err error) {
	if err == nil {
		reply(w, http.StatusOK, v)
		return
	}
	a := answerOf(err)
	code := http.StatusConflict
	if a.Unknown || a.NoOrder {
		code = http.StatusNotFound
	}
	reply(w, code, a)
}

func answerOf(err error) answer {
	var unknown *UnknownAppError
	var again *againError
	return answer{Error: err.Error(), Unknown: errors.As(err, &unknown), Again: errors.As(err, &again), NoOrder: errors.Is(err, errNoOrder)}
}

// err is the error of an answer; nil: it has none.
func (a answer) err() error {
	switch {
	case a.Error == "":
		return nil
	case a.Unknown:
		return &UnknownAppError{text: a.Error}
	case a.Again:
		return &againError{text: a.Error}
	case a.NoOrder:
		return errNoOrder
	}
	return errors.New(a.Error)
}

func reply(w http.ResponseWriter, code int, v any) {
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(writeTimeout))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}
