// Package link holds the two ZeroMQ sockets of one mongrel2 handler: it takes
// the server's requests in and sends the responses out.
//
// # One goroutine
//
// A Link has one goroutine that is locked to its thread and owns both sockets,
// as ZeroMQ demands. It sleeps in poll(2) on the sockets' descriptors and on an
// eventfd that other goroutines write when it sleeps and they have something
// to send. Events are called on it. Reply, which is a wsgi.Sink, is used from
// any one goroutine; it formats there and never blocks.
//
// # Finding the server
//
// mongrel2 binds, we connect. A server that is not there is no error: State
// says "connecting" until it is. The first socket is an XPUB: only when the
// server's subscription has arrived on it are answers sure to reach the
// server, and only then is the PULL connected that requests come from. With
// ZMQ_IMMEDIATE the XPUB tells when the server goes and comes, and nothing is
// kept for a server that is away. Each life of the server is an epoch; what
// belongs to an earlier one is dropped, because connection ids begin at 1 again.
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
