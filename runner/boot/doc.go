// Package boot is the start of processes: what a master is told by who starts it, over a
// socket, and what both answer; of which build each is; and what all programs of ours do
// when they start, and a moment later with the memory that only the start needed.
package boot
