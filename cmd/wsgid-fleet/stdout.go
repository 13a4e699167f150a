package main

import (
	"errors"
	"io"
	"io/fs"
)

// stdout is standard output, or what takes its place, and remembers that something could
// not be written there: a command whose answer is lost has not done what it was asked.
type stdout struct {
	to  io.Writer
	err error // the first
}

func (o *stdout) Write(b []byte) (int, error) {
	n, err := o.to.Write(b)
	if err != nil && o.err == nil {
		if o.err = err; errors.As(err, new(*fs.PathError)) { // whose path says nothing
			o.err = errors.Unwrap(err)
		}
	}
	return n, err
}
