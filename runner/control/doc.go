// Package control is what a master tells and is told: its record in the state
// directory, its status and counters, and the messages of its control socket. It
// holds data and how they are written and read, and acts on nothing.
//
// The control socket speaks lines of JSON: a Request, or an AdoptRequest with the
// connections that the master is to serve on, each answered by an Answer. The
// descriptors that a message speaks of go with its first byte.
package control
