package reconcile

import "errors"

// RejectedError is a spec that was tried and given up, the one before it
// serving on: it is not tried again by itself.
// Next is what to do about it, if the master knows.
type RejectedError struct{ reason, Traceback, Next string }

func (e *RejectedError) Error() string { return e.reason }

// IsRejected tells whether a spec was tried and given up.
func IsRejected(err error) bool {
	var r *RejectedError
	return errors.As(err, &r)
}
