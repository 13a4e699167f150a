package main

import (
	"cmp"
	"os"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// uwsgi is the answer of uWSGI's stats server, as version 2.0 gives it and
// uwsgitop and the exporters read it. What a fleet does not have is 0 or empty,
// never missing. Times are in microseconds where uWSGI has them so.
type uwsgi struct {
	Version           string         `json:"version"`
	ListenQueue       int            `json:"listen_queue"`        // waiting requests for a worker
	ListenQueueErrors uint64         `json:"listen_queue_errors"` // those that were rejected
	SignalQueue       int            `json:"signal_queue"`
	Load              int            `json:"load"` // uWSGI: what waits in the busiest queue
	PID               int            `json:"pid"`  // the master's of one app, else the daemon's
	UID               int            `json:"uid"`
	GID               int            `json:"gid"`
	CWD               string         `json:"cwd"`
	Locks             []struct{}     `json:"locks"`
	Caches            []struct{}     `json:"caches"`
	Sockets           []uwsgiSocket  `json:"sockets"`
	Workers           []*uwsgiWorker `json:"workers"`
}

type uwsgiSocket struct {
	Name       string `json:"name"`
	Proto      string `json:"proto"`
	Queue      int    `json:"queue"`
	MaxQueue   int    `json:"max_queue"`
	Shared     int    `json:"shared"`
	CanOffload int    `json:"can_offload"`
}

type uwsgiWorker struct {
	ID            int         `json:"id"` // from 1, over all apps
	PID           int         `json:"pid"`
	Accepting     int         `json:"accepting"`
	Requests      uint64      `json:"requests"`
	DeltaRequests uint64      `json:"delta_requests"` // since it was started, as a worker here is a new one after each restart
	Exceptions    uint64      `json:"exceptions"`     // answers with 5xx
	HarakiriCount uint64      `json:"harakiri_count"` // workers.request_timeout; the app's, at its first worker
	Signals       int         `json:"signals"`
	SignalQueue   int         `json:"signal_queue"`
	Status        string      `json:"status"`
	RSS           int64       `json:"rss"`
	VSZ           int64       `json:"vsz"`
	RunningTime   int64       `json:"running_time"` // spent at requests
	LastSpawn     int64       `json:"last_spawn"`
	RespawnCount  int         `json:"respawn_count"` // its own start; the app's restarts are added at its first worker
	TX            uint64      `json:"tx"`
	AvgRT         int64       `json:"avg_rt"`
	Apps          []uwsgiApp  `json:"apps"`
	Cores         []uwsgiCore `json:"cores"`
}

type uwsgiApp struct {
	ID          int    `json:"id"`
	Modifier1   int    `json:"modifier1"`
	Mountpoint  string `json:"mountpoint"` // the app's name, by which its workers are told from others
	StartupTime int    `json:"startup_time"`
	Requests    uint64 `json:"requests"`
	Exceptions  uint64 `json:"exceptions"`
	Chdir       string `json:"chdir"`
}

type uwsgiCore struct {
	ID                int          `json:"id"`
	Requests          uint64       `json:"requests"`
	StaticRequests    int          `json:"static_requests"`
	RoutedRequests    int          `json:"routed_requests"`
	OffloadedRequests int          `json:"offloaded_requests"`
	WriteErrors       int          `json:"write_errors"`
	ReadErrors        int          `json:"read_errors"`
	InRequest         int          `json:"in_request"`
	Vars              []string     `json:"vars"`
	ReqInfo           uwsgiRequest `json:"req_info"`
}

type uwsgiRequest struct {
	RequestStart int64 `json:"request_start,omitempty"` // Unix time
}

// uwsgiStats is the fleet, or one app of it, as one uWSGI instance.
func uwsgiStats(st *fleet.Status) *uwsgi {
	u := &uwsgi{Version: "wsgid-fleet-" + cmp.Or(st.Version, runner.Build()), UID: os.Getuid(), GID: os.Getgid(),
		Locks: []struct{}{}, Caches: []struct{}{}, Sockets: []uwsgiSocket{}, Workers: []*uwsgiWorker{}}
	if st.Daemon != nil {
		u.PID, u.CWD = st.Daemon.PID, st.Daemon.Dir
	}
	if len(st.Apps) == 1 {
		u.CWD = st.Apps[0].Path
		if m := st.Apps[0].Master; m != nil {
			u.PID = m.PID
		}
	}
	for i := range st.Apps {
		u.add(i, &st.Apps[i])
	}
	return u
}

func (u *uwsgi) add(index int, app *fleet.AppStatus) {
	r := &app.Requests
	u.ListenQueue += r.Waiting
	u.ListenQueueErrors += r.Rejected
	u.Load = max(u.Load, r.Waiting)
	for _, s := range app.Sockets {
		name := s.Listen
		if s.Kind == "mongrel2" {
			name = s.Recv
		}
		u.Sockets = append(u.Sockets, uwsgiSocket{Name: name, Proto: s.Kind, Queue: r.Waiting})
	}
	for i, w := range app.Workers {
		x := &uwsgiWorker{
			ID: len(u.Workers) + 1, PID: w.PID, Requests: w.Requests, DeltaRequests: w.Requests, Exceptions: w.Errors,
			Status: "busy", RSS: w.RSS, RunningTime: int64(w.WorkSeconds * 1e6), LastSpawn: w.Since.Unix(), RespawnCount: 1,
			TX: w.Bytes, Cores: []uwsgiCore{},
			Apps: []uwsgiApp{{ID: index, Mountpoint: app.Name, Requests: w.Requests, Exceptions: w.Errors, Chdir: app.Path}},
		}
		switch w.State {
		case runner.WorkerIdle:
			x.Status, x.Accepting = "idle", 1
		case runner.WorkerBusy:
			x.Accepting = 1
		case runner.WorkerStarting, runner.WorkerDraining:
		}
		if w.Requests > 0 {
			x.AvgRT = x.RunningTime / int64(w.Requests)
		}
		if i == 0 {
			x.HarakiriCount = r.Timeouts
			x.RespawnCount += app.Restarts
		}
		for i := range max(w.Threads, 1) {
			x.Cores = append(x.Cores, uwsgiCoreOf(i, &w))
		}
		u.Workers = append(u.Workers, x)
	}
}

// uwsgiCoreOf is a thread of a worker. Requests are counted by worker, and stand
// at its first thread.
func uwsgiCoreOf(i int, w *runner.WorkerInfo) uwsgiCore {
	c := uwsgiCore{ID: i, Vars: []string{}}
	if i == 0 {
		c.Requests = w.Requests
	}
	if i < len(w.Current) {
		c.InRequest = 1
		method, path, _ := strings.Cut(w.Current[i].Request, " ")
		c.Vars = []string{"REQUEST_METHOD=" + method, "REQUEST_URI=" + path, "PATH_INFO=" + path}
		c.ReqInfo.RequestStart = w.Current[i].Since.Round(time.Second).Unix()
	}
	return c
}
