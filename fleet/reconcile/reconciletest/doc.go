// Package reconciletest is what tests of the reconciler, and of the daemon around it, share:
// a spec directory under a test's hand, masters in memory for what real ones do not do on
// demand, and a disk that does not answer.
package reconciletest
