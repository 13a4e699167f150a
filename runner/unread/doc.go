// Package unread keeps what clients have not read yet, within one budget for all
// connections of a master.
//
// # Two places
//
// A Queue is what waits for one client, in order: bytes, and parts of files. Its
// bytes lie in memory, as long as there is some to be had, then in blocks of the
// one spool file. Both are bounded by the Store, which all queues share, so that
// no number of clients that do not read makes a master grow.
//
// Memory beyond a few kilobytes is mapped in pieces of BlockSize and unmapped
// again: the garbage collector, which lets a heap grow to twice what is in use,
// has no part in it.
//
// The blocks of the spool are used again by others. So they are read and then
// sent, never by sendfile(2): the kernel may still have pages of theirs in a
// socket's queue when the next one writes there.
//
// What goes to the spool is written by goroutines of the store. Until then it lies in
// memory, a megabyte at most: a disk that stalls holds up nobody who adds to a queue. It
// is read where it is sent, out of the kernel's cache for the most part.
//
// # Bodies of requests
//
// A Body is what waits for a worker: in memory while it is short, else in a file of
// its own. That one is written by goroutines of the store too, and whoever reads the
// body from its client stops when a few pieces are on their way.
//
// Pipes are the other place, for what comes by a plain socket: the kernel moves what it
// has received there, and the worker reads it. Fresh pages for a file, and two copies
// more, cost several times as much. They cannot be read twice, so the application's
// input knows no seek then, as with most servers.
//
// # When both are full
//
// Queue.Add still takes the bytes it is given, as they exist already, and tells
// that whoever makes them must wait: until the client has read, or others have so that
// there is room again (Queue.Await). How long such a client may hold up a worker is for
// the least rate to say, see TooSlow.
//
// A disk that does not keep up is another matter. Who waits for it goes on when it has
// written some, and no client is judged by it.
package unread
