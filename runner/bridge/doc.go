// Package bridge does the handshakes of TLS, and serves who speaks HTTP/2 then. It keeps
// crypto/tls and net/http off the way of plain HTTP.
//
// # From a client to its protocol
//
// The loop accepts and watches the descriptor; a goroutine does the handshake (greeting.go),
// as it takes long. Then the protocol is known (ALPN). Who speaks HTTP/1 goes back to the
// loop as a Sealed: a connection of package httpserver like any other, but read and written
// by a cipher. Nothing of it waits: crypto/tls goes on after a read that found nothing, and
// what it writes is kept until the descriptor takes it.
//
// HTTP/2 is net/http's, which has goroutines and waits. A body is read to its end first,
// past 64 KiB into a file, so that a slow client holds no worker; then the request is
// encoded and Server.Submit called with an Incoming.
//
// # From the loop to a client of HTTP/2
//
// Incoming.Sink never blocks: what the client has not taken yet waits in memory
// and past 512 KiB in a file. When the client is gone before the response is
// complete, Server.Cancel is called; what still comes is dropped.
//
// # The end
//
// Shutdown finishes what has begun: handshakes, and requests over HTTP/2, whose clients
// are told with GOAWAY. Connections of HTTP/1 are the loop's to end.
package bridge
