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
// hold some requests ahead of the one it serves, so that it need not wait for the
// master between two requests. Requests that came in one message are served one
// after the other, each answered before the next is begun: of those that a dead
// worker has not answered, it can have begun the first alone.
//
// Descriptors of a worker: 0 /dev/null; 1 and 2 the log pipe; 3 the memory that
// is shared with the master: the abort table, the ring and a place for stacks; 4, 5, … one slot per
// thread.
//
// # Messages
//
// One message is one datagram of at most MaxMessage bytes. All numbers are
// little-endian. The header is 8 bytes: type, flags, two zero bytes, and the
// request's sequence number (uint32).
//
// To the worker:
//
//	'I' init     marshal dict (slot 0 only, first message); see Config
//	'r' request  uint32 length of the environ, the environ as a marshal dict,
//	             then the body. With FlagBodyFile the body is in a file instead:
//	             it comes, at offset 0, as the only descriptor of the next
//	             message, whose type is 'b'. With FlagBodyStream too the descriptor is
//	             the end of a pipe, and the body comes as it arrives: from 'c' on.
//	             With FlagBodyPipes too there may be several descriptors, pipes in
//	             which all of the body is, one behind the other. In place of its
//	             sequence number the 'b' has how many they are.
//	's' requests several of them, in one message: uint32 length of a marshal
//	             list, and that list: the environ of the last, its sequence
//	             number, and so on to the first. The header has the first's
//	             number. None has a body.
//	'q' quit     serve nothing more on this slot; when all slots have ended, the
//	             worker runs atexit and ends with status 0
//	'p' fork     to the template of preload only: start a worker. Descriptors,
//	             in this order: the log pipe's write end, the shared memory, one
//	             slot per thread; then, if the worker is to die with its master,
//	             the write end of a pipe whose other end the master keeps
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
//	'p' forked   JSON Forked, the answer of a template to 'p'
//	'n' nudge    nothing, but that there is something in the ring
//	'c' wanted   the application begins to read the body, which is to come by a pipe
//	'w' exited   JSON Exited: a worker that the template forked has ended, or was
//	             stopped (at any time, also before the 'p' that names it)
//
// FlagEnd on h, d or f says that it is the last message of the response, and
// saves the 'e'.
//
// A head without Content-Length in a message with FlagEnd: the body's length is
// known to the master, which adds it, but not for HEAD, where the body was left
// out. A response to HEAD, 204 or 304 comes without body bytes.
//
// # Preload
//
// With Config.Preload the process loads the application and becomes the
// template: it sends 'k' and serves nothing. For each 'p' it forks a worker,
// which shares its memory, runs the functions registered by wsgid.postfork and
// sends 'k' or 'x' on its own slot 0. The template's 'q' ends the template;
// its workers go on.
//
// A template that has something open which workers would share (Failure.Shares,
// Forked.Shares) forks none: each worker of that generation then loads the
// application by itself, as without preload.
//
// # Ring
//
// A system call for each answer is a third of what a small one costs. So, from
// the first 's' on, a worker that is told to (Config.Ring) puts what would be the
// only message of an answer, an 'h' with FlagEnd, into memory while the master is
// awake: it looks there in each turn of its loop. The first answer comes by the
// slot, which wakes the master; and no answer waits for another one.
//
// At RingState of the shared memory there are three uint64, each in 64 bytes of
// its own: how many bytes the worker has written since the start, how many the
// master has read, and 1 where the master sleeps. At RingData there are RingSize
// bytes: messages, each behind its length (uint64) and filled up to 8 bytes. One
// that would go past the end is at the start; then 0 stands in place of its length.
//
// Before it sleeps the master writes 1, and looks once more. A worker that finds
// 1 writes 0 and uses the slot; one that finds it after it has written sends an
// 'n'. So one of the two always sees the other. Each does so with a full barrier
// in between; Python's only one is a lock, which is one on amd64 for sure: the
// ring is used there only. A worker that is stopped between the two tells of nothing: while
// one is at work the master looks once a second.
//
// What comes by both ways has an order, because answers have: what is not of the
// oldest request that has none waits.
//
// # Abort table
//
// The shared memory begins with one uint32 per slot: the sequence number of a
// request whose client is gone. The host looks at it between the pieces of a
// streamed response; on a match it closes the iterable and sends 'e'. Where a pipe ends
// that a body comes by, the body does if the complement of the number is there; else the
// rest will not come.
//
// # Stacks
//
// A thread that gets SIGURG writes its stack, as faulthandler does, by the descriptor of
// the shared memory: in C, whatever the thread is at and whoever has the GIL. The master
// sets the position of that descriptor, which it has too, to StackData before it sends the
// signal to the one thread that serves a slot: the main thread the first, the others as
// the worker has noted at ThreadIDs, where NoThread for the first says that the application
// has a handler of its own. Nothing of all that is done unless somebody asks, and
// where the application has got such a handler since, or blocks the signal, there is no
// stack; nobody dies of this signal. The pages of the memory that nobody writes to are none.
package wsgi
