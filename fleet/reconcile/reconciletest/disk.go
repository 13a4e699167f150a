package reconciletest

import (
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/afero"
)

// Disk is one that does not answer for one file from Hang to Answer.
type Disk struct {
	afero.Fs
	Path string

	mu   sync.Mutex
	hung chan struct{} // closed when it answers again; nil: it does
}

// Hang begins it.
func (d *Disk) Hang() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hung = make(chan struct{})
}

// Answer ends it, for those too who wait.
func (d *Disk) Answer() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.hung)
	d.hung = nil
}

// OpenFile waits where the disk does not answer.
func (d *Disk) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	d.mu.Lock()
	hung := d.hung
	d.mu.Unlock()
	if name == d.Path && hung != nil {
		<-hung
	}
	return d.Fs.OpenFile(name, flag, perm)
}

// FullDisk has no room for anything but locks, which hold nothing.
type FullDisk struct{ afero.Fs }

// OpenFile see afero.Fs.
func (d FullDisk) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	if flag&(os.O_WRONLY|os.O_RDWR) == 0 || strings.HasSuffix(name, "lock") {
		return d.Fs.OpenFile(name, flag, perm)
	}
	return nil, &os.PathError{Op: "open", Path: name, Err: syscall.ENOSPC}
}
