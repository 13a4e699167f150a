package unread

import (
	"errors"
	"syscall"
)

// Status is the answer to a request whose body cannot be kept.
func Status(err error) int {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return 507
	}
	if errors.Is(err, ErrFull) || errors.Is(err, ErrSlow) || errors.Is(err, ErrStalled) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM) {
		return 503 // later there may be room again
	}
	return 500
}
