package bounded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// Reason strips the path and the operation from a file error, for sentences that
// name both already. Of a file system that takes nothing more it says which one it is, how
// full, and what to do.
func Reason(err error) error {
	path := ""
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		path, err = pe.Path, pe.Err
	} else if le, ok := errors.AsType[*os.LinkError](err); ok {
		path, err = le.New, le.Err
	}
	for _, refusal := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS} {
		if path != "" && errors.Is(err, refusal) {
			return fmt.Errorf("%w; %s", err, roomAt(path).next(refusal))
		}
	}
	return err
}
