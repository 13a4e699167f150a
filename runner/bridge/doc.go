// Package bridge serves HTTPS: HTTP/1.1 and HTTP/2 over TLS, on goroutines of
// its own, and hands whole requests to the master's loop. It keeps crypto/tls
// and net/http off the path of plain HTTP.
//
// # From a client to the loop
//
// After the handshake the protocol is known (ALPN). HTTP/1 is read with package
// http1, as strictly as plain HTTP is; HTTP/2 is net/http's. Either way the body
// is read to its end first, past 64 KiB into a file, so that a slow client
// holds no worker; then the request is encoded and Server.Submit called with an
// Incoming.
//
// # From the loop to the client
//
// Incoming.Sink never blocks: what the client has not taken yet waits in memory
// and past 512 KiB in a file. When the client is gone before the response is
// complete, Server.Cancel is called; what still comes is dropped.
//
// # The end
//
// Shutdown finishes what has begun: handshakes, requests, responses. HTTP/2
// clients are told with GOAWAY; an idle HTTP/1 connection is kept for one
// second more, as a request may be on its way, and then closed.
package bridge
