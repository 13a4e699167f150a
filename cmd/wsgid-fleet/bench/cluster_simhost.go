package main

import (
	"context"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd"
)

// simHost is one host: a member, and what a daemon does with what it says.
type simHost struct {
	f      *simFleet
	member *etcd.Member
	mirror cluster.Mirror
	client *etcd.Client
	stop   context.CancelFunc
	done   chan struct{}
	look   chan struct{}

	mu      sync.Mutex
	known   map[int64]time.Time // when each generation was there
	ready   map[string]time.Time
	serving map[string]bool // those to be served, ready or not
}

// end ends a host as a daemon that is told to.
func (h *simHost) end() {
	h.stop()
	<-h.done
	h.client.Close()
}

// die ends a host as a power failure does: etcd hears nothing of it.
func (h *simHost) die() {
	h.client.Close()
	h.stop()
	<-h.done
	h.client.Close()
}

func (h *simHost) changed() {
	g, _ := h.mirror.Current()
	h.mu.Lock()
	if _, known := h.known[g]; !known {
		h.known[g] = time.Now()
	}
	h.mu.Unlock()
	select {
	case h.look <- struct{}{}:
	default:
	}
}

// follow is the daemon: it runs what is to run here.
func (h *simHost) follow(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.look:
		}
		apps, err := h.f.asked(ctx, h.mirror)
		if err != nil {
			continue // of a generation that is being replaced; there is another look to come
		}
		elsewhere := h.member.Elsewhere(apps)
		begun := false
		h.mu.Lock()
		for _, a := range apps {
			if elsewhere[a.Name] != "" {
				delete(h.serving, a.Name)
				delete(h.ready, a.Name)
			} else if !h.serving[a.Name] {
				h.serving[a.Name] = true
				h.ready[a.Name] = time.Now().Add(simStart)
				begun = true
			}
		}
		h.mu.Unlock()
		h.member.Report()
		if begun {
			time.AfterFunc(simStart+time.Millisecond, h.member.Report)
		}
	}
}

func (h *simHost) endpoints() map[string]cluster.Endpoint {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[string]cluster.Endpoint{}
	for app, at := range h.ready {
		out[app] = cluster.Endpoint{Ready: !time.Now().Before(at)}
	}
	return out
}
