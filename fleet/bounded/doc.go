// Package bounded is a file system whose operations end in time. A network disk
// that does not answer holds up whoever asks it, in the kernel, where nothing can
// call it off; here another goroutine is held up, and the one that asks gets
// ErrNoAnswer. There is one such goroutine for a path at most: as long as it
// waits, every further question about that path fails at once. Reason says of one that
// takes nothing more which it is, how full, and what to do.
package bounded
