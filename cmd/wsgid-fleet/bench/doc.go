// Command bench measures wsgid-fleet beside its peers, in turns, in one run,
// on loopback: make bench.
//
// A scenario starts all servers that it compares. A round asks each of them in
// turn; the ratio of ours to a peer's is taken round by round, and the median
// of the rounds is what counts, so that a machine that is busy for a while
// moves both sides. The absolute numbers of one machine mean little to
// another; the ratios are printed first, and written with date and versions
// into README.md beside this file, between its two bench markers.
//
// Everything it starts is its child, or becomes its child (it is a subreaper),
// and is killed at the end, also on Ctrl-C; should bench itself be killed, the
// kernel sends its children the signal that ends them.
//
// # Size
//
// It has more than 4,000 lines: each scenario has a file of its own, there are many, and
// none calls another; what starts, asks and measures servers is shared by all.
package main
