// Package latch counts what is under way, for whoever ends it. A sync.WaitGroup
// alone does not do for that: its count must not begin to rise beside a Wait.
package latch

import "sync"

// Latch counts what has entered and not left yet. Its zero value is open.
type Latch struct {
	mu   sync.Mutex
	shut bool // guarded by mu
	wg   sync.WaitGroup
}

// Enter counts its caller, who must Leave. Once the latch is shut nobody is counted
// any more: what comes then is not waited for, and does not leave.
func (l *Latch) Enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut {
		return false
	}
	l.wg.Add(1)
	return true
}

// Leave takes back one Enter that counted.
func (l *Latch) Leave() { l.wg.Done() }

// ShutAndWait counts nobody from now on, and waits for all that have entered.
func (l *Latch) ShutAndWait() {
	l.mu.Lock()
	l.shut = true
	l.mu.Unlock()
	l.wg.Wait()
}
