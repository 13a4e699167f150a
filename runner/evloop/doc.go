// Package evloop is the one goroutine that owns a master's state.
//
// # The idea
//
// Run waits in epoll_wait. Each turn it calls the owners of the descriptors
// that became ready (Pollable), then the functions that other goroutines
// posted, then the timers that are due, and at last what AtTurnEnd collected.
// What belongs to the loop is touched by nobody else, so it needs no lock: only
// Post and Call may be used from other goroutines. Now is the time of the turn.
//
// The package also has the system calls of a request's way (Read, Send, Sendv,
// Accept, Receiver). Their descriptors are non-blocking, so they go to the
// kernel without telling Go's scheduler.
//
// # What it knows
//
// Descriptors, functions and times. It knows nothing of HTTP, workers or apps.
// The master makes the loop; listening sockets, connections, worker connections,
// pidfds and the mongrel2 ingress register with it.
//
// # What may block
//
// While the loop is held up no request of the app makes progress. All that may
// take long has a goroutine of its own: starting processes, handshakes of TLS, HTTP/2, the control
// socket, the log's writer, request bodies and what clients have not read on their
// way to a disk, whatever of a response is on a disk and not in memory, certificates.
// On the loop stay, as each is bounded and rare or answered from memory by the kernel:
//
//   - reading for mongrel2's clients what they have not read;
//   - the master's record and the pid files, a few hundred bytes at the start
//     and end of a worker, a rollout and a drain;
//   - reading /proc of the master's own children for Status and max_memory;
//   - starting and ending the process itself, before the first and after the
//     last request.
//
// Nothing else may: who adds such a call adds it here, or gives it a goroutine
// and has the result posted.
package evloop
