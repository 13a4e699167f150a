// Package runner runs one app: a master process that owns the app's sockets
// and a pool of Python workers.
//
// # Processes
//
// StartMaster executes wsgid-master, which calls Main, as a daemon of its own session.
// The master outlives the process that started it; whoever comes later finds
// it with FindMasters, which proves by start time that the process is the one
// that wrote the record, and speaks to it through its control socket.
//
// # The loop
//
// All state of a master (connections, pool, workers, timers) belongs to one
// goroutine, the loop (package evloop), which waits in epoll_wait for sockets,
// worker slots and pidfds. Other goroutines (control socket, spawner, TLS, mongrel2, log) hand
// it work with Loop.Post and never touch that state.
//
// # The way of a request
//
// An ingress (HTTP connection, TLS bridge, mongrel2 handler) parses a
// wsgi.Request, reads the body (to memory, past 64 KiB to a file), encodes
// both into an Exchange and submits it to the Pool. The pool gives it to a
// slot, or queues it. The worker's messages come back through the slot to the
// exchange's Sink, which is the ingress again. Every failure is decided in one
// place, Pool: no worker in time 503, past the deadline 504, worker died 502.
//
// # What is told of it
//
// Lines for the log (ours, the workers' output, the access log) are entries in a
// channel, written by a goroutine of their own: no disk, full disk or journal
// that hangs holds up the loop. What cannot be written is counted, and told in
// the log and in Status.LogError. Counters are increments in arrays on the loop;
// Status puts them into words, and fleet makes metrics of them.
package runner
