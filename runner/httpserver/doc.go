// Package httpserver is the HTTP/1 of a master: listening sockets, connections, and what
// gates hand over.
//
// # One machine a connection
//
// A conn is read when its descriptor tells, edge-triggered, by one pump: conn.go has its
// states. A head is parsed in the server's buffer; a connection copies what it must keep,
// so one that waits for its next request costs no buffer. conn_body.go takes the body (to
// memory, past 64 KiB to pipes or a file of runner/unread, see piped.go), and submits the request to the pool;
// conn_response.go is the sink of its answer; conn_rate.go looks whether the client reads
// it; conn_static.go answers for static files, without the pool.
//
// A connection that came with its request is made known to the loop late (listed.go):
// often it ends before.
//
// # Others that give and take connections
//
// A draining master hands connections that are between two requests to the next one
// (successor.go). A gate hands its own over a link, and gets those back whose next request
// is for another app (gated.go). Where descriptors run out, idle connections are closed
// for new ones (idle.go).
//
// A connection over TLS is one of these, once package bridge has done its handshake: it is
// read and written by a Cipher (cipher.go), which never waits either. It stays with its
// master, as nobody else has the keys, and its bodies go by memory and files: there is
// nothing to move or send without a look at it.
//
// All of it happens on the loop, and nothing in it waits: what may wait for a disk is done
// by goroutines of runner/unread and runner/static, which post their result.
package httpserver
