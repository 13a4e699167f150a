// Package runner starts, finds and speaks to masters: the processes that run one app
// each, own its sockets and a pool of Python workers. What such a process is made of is in
// runner/master and below; who starts it does not link that.
//
// # Processes
//
// StartMaster executes wsgid-master, as a daemon of its own session. The master outlives
// the process that started it; whoever comes later finds it with FindMasters, which proves
// by start time that the process is the one that wrote the record, and speaks to it
// through its control socket with a Handle.
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
//
// The tests of this package drive whole masters, with real workers and real sockets.
package runner
