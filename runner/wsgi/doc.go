// Package wsgi is the link between a master and its Python workers: the
// request as every ingress produces it, its environ, the messages on the
// wire, and the Python host that answers them (package host, embedded).
//
// # The link
//
// Every thread of a worker has a slot: one end of a SOCK_SEQPACKET socketpair.
// The master keeps the other end, and the worker's end too: a request that a
// dead or busy worker has not yet read is taken back by reading it there, so
// the master knows without asking which requests were begun. A request goes to
// the slot that was busy last and is free now; when none is free, each slot may
// hold one request ahead of the one it serves, so that it need not wait for the
// master between two requests.
//
// Descriptors of a worker: 0 /dev/null; 1 and 2 the log pipe; 3 the abort
// table; 4, 5, … one slot per thread.
//
// # Messages
//
// One message is one datagram of at most MaxMessage bytes. All numbers are
// little-endian. The header is 8 bytes: type, flags, two zero bytes, and the
// request's sequence number (uint32).
//
// To the worker:
//
//	'I' init     marshal dict (slot 0 only, first message); see Config in host
//	'r' request  uint32 length of the environ, the environ as a marshal dict,
//	             then the body. With FlagBodyFile the body is in a file instead:
//	             it comes, at offset 0, as the only descriptor of the next
//	             message, whose type is 'b'.
//	'q' quit     serve nothing more on this slot
//
// From the worker:
//
//	'k' ready    JSON Ready: the application is loaded (slot 0)
//	'x' failed   JSON Failure: the application cannot be loaded (slot 0);
//	             the worker exits after it
//	'h' head     uint32 length of the head, the head, then body bytes.
//	             The head is "200 OK\r\nName: value\r\n…" in latin-1, checked by
//	             the host: no control characters, no hop-by-hop headers.
//	'd' data     body bytes
//	'f' file     uint64 offset, uint64 length; the descriptor comes with the
//	             message (SCM_RIGHTS): that part of it is body
//	'e' end      the response is complete
//	'a' abort    the application failed after the head was sent
//
// FlagEnd on h, d or f says that it is the last message of the response, and
// saves the 'e'.
//
// # Abort table
//
// A shared page with one uint32 per slot: the sequence number of a request
// whose client is gone. The host looks at it between the pieces of a streamed
// response; on a match it closes the iterable and sends 'e'.
package wsgi
