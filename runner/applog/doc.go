// Package applog is what is said of one app: the lines of its master, the output
// of its workers, and the access log.
//
// # The idea
//
// Everything that is said is an entry in a channel, and one goroutine, the
// writer, puts entries into the form that the spec wants (text or JSON) and to
// where it wants them: a file that it rotates, standard error, or the journal.
// Nobody waits for it: no disk, full disk or journal that hangs holds up the
// event loop. What finds no room is counted, and Status tells why.
//
// Access has the lines of the access log put together on the loop, without an
// allocation, and hands them over in batches. A Note keeps what there is to tell
// of a request that has not ended yet. Mask hides what a spec declares sensitive.
//
// # What it knows
//
// The log block of a spec, the folders a log may lie in, and the loop's clock and
// timers. It knows nothing of workers but their pids and pipes, and nothing of
// connections. The master makes one Log; the pool and the ingresses speak to it,
// and a goroutine for each worker copies its output with Follow.
package applog
