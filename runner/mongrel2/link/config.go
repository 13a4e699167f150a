package link

import (
	"log/slog"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
)

// Config says what to connect to. The zero value of what is not marked
// otherwise is a good one.
type Config struct {
	Recv string // the handler's send_spec, where requests come from; needed
	Send string // the handler's recv_spec, where responses go; needed
	// Chroot is the directory that the server's upload paths are relative to.
	// Empty: the server is not in a chroot.
	Chroot string
	// UploadTemplate is the server's upload.temp_store, "/tmp/upload.XXXXXX". If
	// it is set, an upload with any other name is refused.
	UploadTemplate string
	// MaxBody is the longest body in bytes; 413 beyond it. 0: no limit.
	MaxBody int64
	// Style is how responses look, until SetStyle says otherwise.
	Style Style
	// ServerName is SERVER_NAME where a request names no host; default
	// "localhost".
	ServerName string
	// KeepAlive is how long a connection with a request in progress may be
	// silent before mongrel2 is told to keep it (its limits.min_ping is 120 s);
	// default 30 s.
	KeepAlive time.Duration
	// Linger is how long Close waits for the server to take the last responses;
	// default 1 s.
	Linger time.Duration
	Log    *slog.Logger // default: nothing is logged
	// Store is the budget for what waits to be sent; default: unread.New().
	Store *unread.Store
}

// Style is how responses look.
type Style struct {
	// Fields is appended to the fields of each response: complete lines, each
	// ended by CR LF. It must not be changed any more.
	Fields  []byte
	Reasons bool // errors of ours tell the client why
}

// SetStyle holds from the next response on; safe for concurrent use.
func (l *Link) SetStyle(s Style) { l.style.Store(&s) }

// Events is what a link calls, on the goroutine that calls Turn: none may
// block, none may call Close.
type Events struct {
	// Request hands over a request; needed. Its answer goes to in.Reply, from
	// here or from any one other goroutine. See Incoming for how long it lives.
	Request func(in *Incoming)
	// Gone tells that the client of a request that is not yet answered is gone,
	// or the server. The reply takes and drops what is still given to it.
	Gone func(r *Reply)
	// Full tells that too much waits for the client of a request: whoever makes
	// the response should wait until Room. Neither is called once it has ended.
	Full, Room func(r *Reply)
	// Batch is called after one or more Request and Gone, or when a request was
	// refused that was under way, at the end of a Turn: the place for one wake-up of
	// another goroutine.
	Batch func()
	// State tells of each change of state.
	State func(s State)
}

// Phase is the part of its life a link is in.
type Phase string

// The phases.
const (
	PhaseConnecting Phase = "connecting" // the server was not there yet
	PhaseReady      Phase = "ready"      // requests come and answers go
	PhaseLost       Phase = "lost"       // the server was there and went
	PhaseDetached   Phase = "detached"   // no requests come any more; answers still go
	PhaseClosed     Phase = "closed"
)

// State is how a link is.
type State struct {
	Phase  Phase
	Reason string // why it is not ready, or why no answer can arrive though it is
	Since  time.Time
	Ident  string // the server's recv_ident
	Epoch  uint32 // counts the lives of the server that were seen, from 1
}
