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

// What clients are told of a body that is refused, whatever they speak.
const (
	NotStored = "the server cannot store the request"
	NoBody    = "no byte of the body arrived within %v" // of request.body_timeout
	TooLarge  = "the body is larger than %d bytes"      // than request.max_body
)
