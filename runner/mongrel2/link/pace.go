package link

import "time"

// mongrel2 queues sixteen messages for a connection and kills it at the next.
// What of them has gone out it does not tell, so a pace counts all messages
// since the queue was surely empty: when a client that reads slowRate, after
// what the kernel takes at once, would have everything. A response that is
// made faster than that takes fifteen messages at most; one that drips, such
// as server-sent events, goes on for ever.
const (
	maxLevel     = 15                     // messages that may be queued; the sixteenth place is for the close
	settle       = 250 * time.Millisecond // in which the server's writer task has surely run
	socketBuffer = 64 << 10               // bytes that the kernel takes whatever the client does
	slowRate     = 64 << 10               // bytes a second

	// A message goes out at once while fewer than freeLevel are queued; then it
	// waits for more bytes, or for a time, both doubled with each message.
	freeLevel  = 4
	firstSize  = 32 << 10
	firstDelay = 2 * time.Millisecond

	// A response of unknown length that is longer than all these (64 MB) goes on
	// in messages of largeSize, one each largeDelay at most: past it the memory
	// of this process counts for more than a client that reads nothing.
	largeSize  = 32 << 20
	largeDelay = time.Second

	// While there is no room, and workers wait, a message goes out this often: what
	// a client that reads nothing holds is to be had again in about ten seconds.
	hurriedDelay = settle
)

// pace counts the messages of one connection that may still be queued in the
// server.
type pace struct {
	level int
	total int64     // bytes of them
	start time.Time // of the first
	last  time.Time // of the last
}

// reset begins anew: the client has everything.
func (p *pace) reset() { p.level, p.total = 0, 0 }

// note counts a message that was sent.
func (p *pace) note(now time.Time, size int) {
	if p.level == 0 {
		p.start = now
	}
	p.level++
	p.total += int64(size)
	p.last = now
}

// refresh begins anew if everything must have gone out by now.
func (p *pace) refresh(now time.Time) {
	if p.level > 0 && now.Sub(p.last) >= settle &&
		p.total <= socketBuffer+int64(now.Sub(p.start).Seconds()*slowRate) {
		p.reset()
	}
}

// due tells whether waiting bytes are to be sent now. size is their number,
// since when the first of them wait; rest is what follows of the response, -1
// if that is not known; ended tells that nothing follows on the connection, hurried
// that there is no room for more.
func (p *pace) due(now, since time.Time, size int, rest int64, ended, hurried bool) bool {
	switch {
	case p.level < maxLevel && ended:
		return true
	case p.level < maxLevel-1:
		return size >= p.want(size, rest) || now.Sub(since) >= p.delay()
	}
	if hurried {
		return now.Sub(p.last) >= hurriedDelay
	}
	return (ended || size >= largeSize) && now.Sub(p.last) >= largeDelay
}

// dueIn is how long bytes that are not due can wait, if no more come.
func (p *pace) dueIn(now, since time.Time, size int, ended, hurried bool) time.Duration {
	switch {
	case p.level < maxLevel-1:
		return max(since.Add(p.delay()).Sub(now), 0)
	case hurried:
		return max(p.last.Add(hurriedDelay).Sub(now), 0)
	case ended || size >= largeSize:
		return max(p.last.Add(largeDelay).Sub(now), 0)
	}
	return largeDelay
}

// want is how many bytes a message should have now.
func (p *pace) want(size int, rest int64) int {
	if p.level < freeLevel {
		return 0
	}
	if rest >= 0 {
		// What is known to come must fit into the places that are left; equal
		// parts keep the largest small.
		return int((int64(size) + rest) / int64(max(maxLevel-1-p.level, 1)))
	}
	return min(firstSize<<(p.level-freeLevel), largeSize)
}

// delay is how long bytes may wait for more of them.
func (p *pace) delay() time.Duration {
	if p.level < freeLevel {
		return 0
	}
	return firstDelay << (p.level - freeLevel)
}
