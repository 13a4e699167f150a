// Package master is the process of one app: it boots, owns the app's listening sockets,
// puts the ingresses and the pool together, answers on its control socket, and hands its
// sockets and connections over to the master that replaces it. Only wsgid-master links
// it, and the tests of those that start masters; these speak to it through package runner.
//
// The process of a gate is here, too (gate_process.go): another main loop in the same
// program, with the same boot, control socket and record.
//
// All state of a master (connections, pool, workers, timers) belongs to one goroutine, the
// loop (package evloop), which waits in epoll_wait for sockets, worker slots and pidfds.
// Other goroutines (control socket, spawner, TLS, mongrel2, log) hand it work with
// Loop.Post and never touch that state.
package master
