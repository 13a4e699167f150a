package unread

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// HeldWindow is over which time the rate of a client counts while there is no room,
// so that workers wait for clients.
const HeldWindow = 10 * time.Second

// Window is over which time the rate of a client counts: most, or less where it
// holds up others. rate is the least one; where it is 0 nothing is asked of a client
// but a byte in all the time.
func (s *Store) Window(most time.Duration, rate int64) time.Duration {
	if rate > 0 && s.Pressed() {
		return min(most, HeldWindow)
	}
	return most
}

// TooSlow tells whether a client that took n bytes in d of what waits for it is
// below the least rate, in bytes a second. One that takes nothing always is.
func TooSlow(n, rate int64, d time.Duration) bool {
	return n <= 0 || float64(n) < float64(rate)*d.Seconds()
}

// Verdict says why a client that is too slow is cut off.
func (s *Store) Verdict(n, rate int64, d time.Duration) string {
	wait, held := "", s.Pressed()
	if held {
		wait = ", while workers had to wait for clients: " + s.Shortage()
	}
	if n <= 0 {
		setting := "request.body_timeout"
		if rate > 0 && held {
			setting = "request.min_rate"
		}
		return fmt.Sprintf("it read nothing of its response for %v (%s)%s", d, setting, wait)
	}
	return fmt.Sprintf("it read %d bytes of its response in %v, less than %d per second (request.min_rate)%s", n, d, rate, wait)
}

// Delivered is how many bytes the client of a TCP connection has acknowledged since
// its begin. (What a write puts into the kernel's queue says little: the queue
// takes megabytes, and lets a writer on only when a third of them has gone.) False:
// the kernel does not tell, as for a unix socket.
func Delivered(fd int) (int64, bool) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || info.Bytes_acked == 0 {
		return 0, false
	}
	return int64(info.Bytes_acked), true
}
