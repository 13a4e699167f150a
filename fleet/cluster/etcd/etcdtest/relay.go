package etcdtest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// Relay stands between a client and a server, and holds back what it is told to.
type Relay struct {
	Endpoint string // host:port, where clients connect
	to       string
	listener net.Listener

	mu   sync.Mutex
	held [2]bool // by direction
	free *sync.Cond
	ends []net.Conn
	over atomic.Bool
}

// Directions of a relay.
const (
	ToServer = iota
	ToClient
)

// NewRelay listens for a server; it ends with the test.
func NewRelay(t testing.TB, to string) *Relay {
	t.Helper()
	l, err := net.Listen("tcp", freeport.Addr(t)) //nolint:noctx // a test
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{Endpoint: l.Addr().String(), to: to, listener: l}
	r.free = sync.NewCond(&r.mu)
	go r.accept()
	t.Cleanup(func() {
		r.over.Store(true)
		_ = l.Close()
		r.Pass(ToServer, ToClient)
		r.Drop()
	})
	return r
}

func (r *Relay) accept() {
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return
		}
		go r.serve(c)
	}
}

func (r *Relay) serve(c net.Conn) {
	s, err := net.Dial("tcp", r.to) //nolint:noctx // a test
	if err != nil {
		_ = c.Close()
		return
	}
	r.mu.Lock()
	r.ends = append(r.ends, c, s)
	r.mu.Unlock()
	go r.copy(s, c, ToServer)
	r.copy(c, s, ToClient)
}

// copy holds what it has read while its direction is held: nothing is lost, and nobody
// hears of it, as behind a network that swallows packets.
func (r *Relay) copy(to, from net.Conn, direction int) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		r.mu.Lock()
		for r.held[direction] && !r.over.Load() {
			r.free.Wait()
		}
		r.mu.Unlock()
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// Hold holds back what goes in these directions.
func (r *Relay) Hold(directions ...int) { r.set(true, directions) }

// Pass lets it go again.
func (r *Relay) Pass(directions ...int) { r.set(false, directions) }

func (r *Relay) set(held bool, directions []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range directions {
		r.held[d] = held
	}
	r.free.Broadcast()
}

// Drop ends all connections.
func (r *Relay) Drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.ends {
		_ = c.Close()
	}
	r.ends = nil
}
