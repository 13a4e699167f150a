// Package gate is the front door of a fleet: it finds the app that a new connection
// is for, by the name that its client asks for.
//
// # The idea
//
// A gate is not a proxy. It reads as much of a connection as it needs to know the name,
// the head of a request or a ClientHello, and hands the connection itself, its
// descriptor and the bytes that were read, to the master of the app. From then on
// client and app speak without anybody between them.
//
// # At work
//
// Server accepts and reads. Where it knows the app it passes the connection over a Link
// to the socket of the app's master, and keeps a descriptor of it until the master has
// said that it came. The master says so before it serves anything: what was not heard of
// was not served, and is passed again, to whoever listens at that socket next. Masters
// hand connections back over Links of their own, at a socket of the gate.
// What comes in one turn of the loop goes in one message, as descriptors alone: the bytes
// that were looked at are still in the connections, where the master reads them.
//
// All of it belongs to one loop (package evloop), with no goroutine for a connection:
// ten thousand that say nothing take four megabytes. The process around it, its record,
// its control socket, its user, are in package runner, gate_process.go.
//
// # Who parses
//
// What the gate goes by must be what the server sees later, or one site could be
// reached under the name of another. So it has no parsers of its own: the head of a
// request is read by http1, as the master does, a ClientHello by crypto/tls.
//
// # TLS
//
// At a listener with TLS the name is that of the ClientHello. The gate has no key: what
// it answers itself are alerts, and the challenges of a certificate authority (see
// Challenges). Plain requests for names that have a certificate may be sent to HTTPS.
//
// # Names
//
// Table compares host names, not bytes: case, a dot at the end and a port do not
// count; a whole name comes before a wildcard, which stands for one label, and both
// before the default app. Names in other scripts are in their ASCII form (IDNA) when
// they come here.
package gate
