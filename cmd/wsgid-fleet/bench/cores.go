package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// part is who runs where while bench.apart is set.
type part int

const (
	front part = iota // the client and the web server: the first core
	back              // the application's server: all others
)

// onCores calls f, and what f starts runs on the part's cores, if the parts are
// to have cores of their own. It must be called from the main goroutine, see
// children.
func (b *bench) onCores(p part, f func() error) error {
	if !b.apart {
		return f()
	}
	var all, some unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return fmt.Errorf("cannot ask for the cores: %w", err)
	}
	if all.Count() < 2 {
		return errors.New("cannot give client and application cores of their own: there is one core")
	}
	first := 0
	for !all.IsSet(first) {
		first++
	}
	if p == front {
		some.Set(first)
	} else {
		some = all
		some.Clear(first)
	}
	if err := unix.SchedSetaffinity(0, &some); err != nil {
		return fmt.Errorf("cannot choose cores: %w", err)
	}
	err := f()
	return errors.Join(err, unix.SchedSetaffinity(0, &all))
}
