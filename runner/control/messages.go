package control

import (
	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
)

// maxRequest bounds one request on the control socket in bytes.
const maxRequest = 64 << 20

// Request is one line of JSON from a client of the control socket.
type Request struct {
	Op         string        `json:"op"`
	Since      uint64        `json:"since,omitempty"`
	Spec       *appspec.Spec `json:"spec,omitempty"`
	Generation int           `json:"generation,omitempty"`
	Rolling    bool          `json:"rolling,omitempty"`
	Min        int           `json:"min,omitempty"`
	Max        int           `json:"max,omitempty"`
	Successor  string        `json:"successor,omitempty"` // control socket of the master that takes over
	// Schedule, of the op "trigger", is to be run now. Order tells this from others.
	Schedule string `json:"schedule,omitempty"`
	Order    string `json:"order,omitempty"`
	// Totals has the op "ping" tell them.
	Totals bool `json:"totals,omitempty"`
	// Challenges, of the op "challenges", are all that a gate is to answer from now on.
	Challenges *gate.Challenges `json:"challenges,omitempty"`
}

// Answer is the line that answers it. Descriptors, if any, come with
// its first byte.
type Answer struct {
	Error     string   `json:"error,omitempty"`
	Status    *Status  `json:"status,omitempty"`
	Listeners []string `json:"listeners,omitempty"` // names of the descriptors

	Triggered *Triggered `json:"triggered,omitempty"`

	Totals *Totals       `json:"totals,omitempty"`
	Stacks []ThreadStack `json:"stacks,omitempty"`
}

// Conn describes a connection that goes from a draining master to its
// successor, or from whoever accepted it to the master. Its descriptor goes with
// the message.
type Conn struct {
	Listener string `json:"listener"`
	Host     string `json:"host"`
	Port     string `json:"port"`
	Pending  []byte `json:"pending,omitempty"` // read from it already
	Gate     *Gated `json:"gate,omitempty"`    // nil: it came by no gate
}

// Gated is what a connection that came by a gate remembers of it.
type Gated struct {
	Host    []byte        `json:"host"`              // by which it was routed
	Listen  string        `json:"listen,omitempty"`  // of the gate
	Proxied *gate.Proxied `json:"proxied,omitempty"` // nil: no proxy has said whose it is
}

// AdoptRequest is the control request that hands connections over.
type AdoptRequest struct {
	Op    string `json:"op"` // "adopt"
	Conns []Conn `json:"conns"`
}

// MaxConns is how many connections, with a descriptor each, go in one message
// (the kernel's bound is 253).
const MaxConns = 200

// NoSuchOperation is the Error of a master that does not know an operation: one of a
// release before it.
func NoSuchOperation(op string) string { return "cannot " + op + ": no such operation" }
