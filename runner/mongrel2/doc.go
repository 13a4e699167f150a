// Package mongrel2 reads and writes the messages that mongrel2 1.12 and its
// handlers exchange over ZeroMQ. It knows nothing of sockets and of policy
// (package link) and imports the standard library alone.
//
// # What the server sends
//
//	SENDER SP CONNID SP PATH SP HEADERS BODY
//
// BODY is a netstring. HEADERS is a netstring of JSON, or a tnetstring
// dictionary, whichever the handler's "protocol" says; Parse sees which by the
// byte behind it. mongrel2 escapes nothing but quotes and backslashes in its
// JSON, so a header value may hold raw control bytes and bytes that are not
// UTF-8: strings are taken as bytes, that is as latin-1.
//
// Keys with an upper-case letter are mongrel2's own and cannot be forged: the
// names that a client sends are lower-cased.
//
// # What a message may be
//
// Kind tells. The subtle ones:
//
//   - A disconnect notice is a message whose path is "@*" and whose headers are
//     exactly METHOD: JSON. A client can send an HTTP request with the method
//     JSON and the body of a notice; its path is then its URL.
//   - An upload notice carries the file's name in headers that a client can
//     send too. Parse believes them only where mongrel2 itself would have made
//     an upload of the request (see uploadPath); the file must still be checked
//     by the one who opens it.
//
// # What a handler sends
//
//	SENDER SP netstring(CONNID SP CONNID …) SP PAYLOAD
//
// The payload goes to the client verbatim. An empty one closes the connection.
package mongrel2
