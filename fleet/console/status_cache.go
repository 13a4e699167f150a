package console

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
)

const (
	// pulse is how often the fleet is looked at while somebody looks.
	pulse = time.Second
	// share is how many times longer than a look the pause after it is at least: a
	// look at a thousand apps asks a thousand masters. Meanwhile, what the daemon does
	// and is told of is seen at a glance.
	share = 250
	// maxPulse bounds that pause.
	maxPulse = 10 * time.Second
)

// statusCache is the picture of the fleet that all viewers share: however many they are,
// the masters are asked once.
type statusCache struct {
	fleet Fleet

	mu       sync.Mutex
	at       time.Time            // guarded by mu: of the last look
	pause    time.Duration        // guarded by mu: until the next
	polled   time.Time            // guarded by mu: the last time that it was looked or polled
	status   *fleet.Status        // guarded by mu; not changed once it is here
	rows     map[string]versioned // guarded by mu; not changed once it is here
	version  uint64               // guarded by mu: of the last change
	reshaped uint64               // guarded by mu: of the last app that came, went or changed its state
	members  uint64               // guarded by mu: of the last app that came or went
	sparks   sparks               // guarded by mu
}

type versioned struct {
	row     appRow
	version uint64
}

// picture is the cache at one time.
type picture struct {
	At       time.Time
	Status   *fleet.Status
	Version  uint64
	Reshaped uint64
	Members  uint64
	rows     map[string]versioned
}

// look returns a picture that is no older than it need be.
func (b *statusCache) look(ctx context.Context) *picture {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); b.status == nil || now.Sub(b.at) >= b.pause {
		// Who goes away meanwhile leaves the picture to the others.
		st := b.fleet.Look(context.WithoutCancel(ctx), b.status)
		b.at = time.Now()
		b.polled = b.at
		b.sparks.next(b.at)
		b.take(st, func(row *appRow) { row.Spark = b.sparks.add(row.Name, row.rate) })
		b.pause = min(max(pulse*9/10, share*time.Since(now)), maxPulse)
	} else if now.Sub(b.polled) >= pulse*9/10 {
		b.polled = now
		if st := b.fleet.Poll(context.WithoutCancel(ctx), b.status); st != b.status {
			b.take(st, func(row *appRow) { row.Spark = b.rows[row.Name].row.Spark })
		}
	}
	return &picture{At: b.at, Status: b.status, Version: b.version, Reshaped: b.reshaped, Members: b.members, rows: b.rows}
}

// stale has the next look be a new one.
func (b *statusCache) stale() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pause = 0
}

// forget lets the picture go when nobody looks any more.
func (b *statusCache) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status, b.rows = nil, nil
}

// take compares a status with the one before; spark completes a row. The caller holds mu.
func (b *statusCache) take(st *fleet.Status, spark func(*appRow)) {
	b.status = st
	next := b.version + 1
	rows := make(map[string]versioned, len(st.Apps))
	for i := range st.Apps {
		a := &st.Apps[i]
		row := rowOf(a)
		spark(&row)
		old, known := b.rows[a.Name]
		v := versioned{row: row, version: next}
		switch {
		case known && old.row == row:
			v.version = old.version
		default:
			b.version = next
			if !known {
				b.members = next
			}
			if !known || old.row.State != row.State {
				b.reshaped = next
			}
		}
		rows[a.Name] = v
	}
	for n := range b.rows {
		if _, still := rows[n]; !still {
			b.version, b.reshaped, b.members = next, next, next
		}
	}
	b.rows = rows
	b.sparks.keep(func(app string) bool { _, known := rows[app]; return known })
}

// appRow is what the fleet's table shows of an app. It can be compared.
type appRow struct {
	Name, State, Reason, Next, Waiting string
	Workers, Rate, P50, P99            string
	Requests, Errors, Memory, Release  string
	Spark                              string // path of its sparkline
	Since                              int64  // of the master, Unix seconds; 0: none
	HasErrors, Warned                  bool
	rate                               float64
	memory                             int64
}

func rowOf(a *fleet.AppStatus) appRow {
	r := appRow{Name: a.Name, State: a.State, Reason: clean(a.Reason), Next: clean(a.Next), Waiting: clean(a.Waiting),
		Workers: words.None, Rate: words.None, P50: words.None, P99: words.None, Requests: words.None, Errors: words.None, Memory: words.None,
		Release: clean(a.Release.String()), Warned: len(a.Warnings) > 0}
	if r.Reason == "" {
		r.Reason = clean(a.LogError)
	}
	if a.Master != nil {
		r.Workers = fmt.Sprintf("%d/%d", a.Busy(), len(a.Workers))
		r.Rate, r.rate = words.Number(a.Requests.PerSecond), round(a.Requests.PerSecond)
		r.Requests, r.Errors = words.Number(float64(a.Requests.Total)), words.Number(float64(a.Requests.Errors))
		r.HasErrors = a.Requests.Errors > 0
		r.Memory, r.memory = words.Size(a.Memory()), a.Memory()>>20
		r.Since = a.Master.Since.Unix()
		if a.Requests.Total > 0 {
			r.P50, r.P99 = words.Latency(a.Requests.P50), words.Latency(a.Requests.P99)
		}
	}
	return r
}

// round is as precise as what is shown, so that what looks equal is.
func round(v float64) float64 { return float64(int64(v*10)) / 10 }
