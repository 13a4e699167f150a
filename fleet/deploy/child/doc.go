// Package child runs the programs that a deploy needs (git, Python, pip) as
// somebody else and for a limited time.
//
// A command runs in a session of its own, without a terminal it could ask
// anything on, with nothing on its standard input, in an environment that is made
// here and inherits but a few names (Environ). What it prints is kept to the last
// few kilobytes (Tail), without terminal control and without what looks like
// credentials, for the error that an operator reads.
//
// Nothing that a command starts outlives it, whatever sessions and parents it gives
// itself: a keeper stands between (keeper.go), which ends what is left when the
// command ends, when its context does (TERM first, then KILL), and when the process
// that deploys is killed. What takes an instant and starts nothing is Quick and has
// none.
//
// An Account is who it runs as. None means the user of this process. Root is no
// account: what comes from a repository never runs as root by this package.
package child
