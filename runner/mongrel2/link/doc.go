// Package link holds the two ZeroMQ sockets of one mongrel2 handler: it takes
// the server's requests in and sends the responses out.
//
// # One goroutine
//
// ZeroMQ's sockets belong to one goroutine at a time. Turn is all that it has
// to do: it receives, calls the events, and sends what replies have given.
// Either the caller's event loop calls it when FD is readable (New), or a
// goroutine of the link's own does (Open). Reply, which is a wsgi.Sink, may be
// used from any one goroutine; it formats there and never blocks.
//
// # Finding the server
//
// mongrel2 binds, we connect. A server that is not there is no error: State
// says "connecting", and why, until it is. The first socket is an XPUB: only
// when the server's subscription has arrived on it are answers sure to reach
// the server, and only then is the PULL connected that requests come from. (One
// exception: a server that stands still, because it wants to tell a handler of
// a dead connection and has none, does not subscribe before it has one. So the
// PULL is connected without a subscription after a third of a second, but not
// read.) With ZMQ_IMMEDIATE the XPUB tells when the server goes and comes, and
// nothing is kept for a server that is away. Each life of the server is an
// epoch; what belongs to an earlier one is dropped, because connection ids
// begin at 1 again.
//
// # Sending
//
// mongrel2 queues at most sixteen messages for a connection and kills it at
// the next, whatever their size, and it does not tell when they have gone out.
// So a link counts, per connection, the messages that a slow client could
// still have in the queue (conn.level) and lets messages grow as the count
// does: see pace.go. A response that is there as a whole is one message.
//
// Requests that a client pipelines are given out one after the other: answers
// cannot overtake each other, and what waits is a request, not a response.
//
// # Ending
//
// A PULL peer cannot leave without loss, because mongrel2 pushes requests to
// it blindly. Detach reads what has arrived and leaves; Close answers first,
// waits until everything is sent, and leaves last, because mongrel2 stands
// still when it wants to tell a handler of a dead connection and there is none.
package link
