package bounded

import (
	"errors"
	"io/fs"
	"os"
)

// Reason strips the path and the operation from a file error, for sentences that
// name both already.
func Reason(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	if le, ok := errors.AsType[*os.LinkError](err); ok {
		return le.Err
	}
	return err
}
