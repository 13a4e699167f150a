// Package http1 is HTTP/1.0 and HTTP/1.1 as pure functions on byte slices: no
// connection, no goroutine, no clock. The master's loop reads bytes, asks
// Parser for a request head, ChunkedReader for a chunked body, and writes what
// AppendHead, AppendChunk and AppendError give it.
//
// # Strictness
//
// A request that two servers could read in two ways is refused, never
// repaired (RFC 9112, section 11.2): lines end with CR LF and nothing else, no
// folded lines, no white space around a name, one Host, one Content-Length of
// digits, Transfer-Encoding "chunked" alone and never beside Content-Length or
// in HTTP/1.0. After an error the connection is of no more use: answer and
// close.
//
// What is parsed does not depend on how the bytes arrive: the same bytes in
// any number of pieces give the same request or the same error.
//
// # Cost
//
// Nothing allocates once the buffers have grown. A head that drips in byte by
// byte is read once: Parser remembers where it stopped.
package http1
