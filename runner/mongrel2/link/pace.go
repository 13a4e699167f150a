package link

import "time"

// mongrel2 queues sixteen messages for a connection. What of them has gone out
// it does not tell, so a pace holds a pessimist's view: a message is gone when
// it is older than settle (the server's writer had its turn) and a client that
// reads slowRate after socketBuffer at once would have it.
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
	// A message of unknown length need not grow beyond largeSize: past it the
	// memory of the process counts for more than a client that reads nothing.
	largeSize = 32 << 20
)

// pace counts the messages of one connection that may still be queued in the
// server.
type pace struct {
	sent  [maxLevel + 1]sent // a ring
	first int
	level int
	total int64     // bytes sent since start
	start time.Time // when the count began: the queue was empty
	last  time.Time // of the last message
}

type sent struct {
	end int64 // total after it
	at  time.Time
}

// reset begins anew: the client has everything.
func (p *pace) reset() { p.level, p.total, p.first = 0, 0, 0 }

// note counts a message that was sent.
func (p *pace) note(now time.Time, size int) {
	if p.level == 0 && p.total == 0 {
		p.start = now
	}
	p.total += int64(size)
	p.last = now
	if p.level == len(p.sent) {
		p.first = (p.first + 1) % len(p.sent)
		p.level--
	}
	p.sent[(p.first+p.level)%len(p.sent)] = sent{p.total, now}
	p.level++
}

// refresh forgets what must have gone out by now.
func (p *pace) refresh(now time.Time) {
	if p.level == 0 {
		return
	}
	gone := socketBuffer + int64(now.Sub(p.start).Seconds()*slowRate)
	for p.level > 0 {
		m := &p.sent[p.first]
		if m.end > gone || now.Sub(m.at) < settle {
			return
		}
		p.first = (p.first + 1) % len(p.sent)
		p.level--
	}
	// The client has all of it: a pause must not count as reading ahead.
	p.reset()
}

// want is how many bytes a message should have now. rest is what follows of the
// response, -1 if that is not known; have is what is there already.
func (p *pace) want(have int, rest int64) int {
	if p.level < freeLevel {
		return 0
	}
	if rest >= 0 {
		// What is known to come must fit into the places that are left; equal
		// parts keep the largest small.
		return int((int64(have) + rest) / int64(max(maxLevel-1-p.level, 1)))
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
