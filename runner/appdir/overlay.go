package appdir

import (
	"io/fs"
	"os"
	"path"
	"sync"
	"syscall"

	"github.com/spf13/afero"
)

// overlay is a copy-on-write view in which a repair can run without touching
// anything. afero's CopyOnWriteFs keeps what is written; what it cannot do
// with a file that is only in the base, removing it and changing its owner or
// mode, is kept here.
type overlay struct {
	afero.Fs // the CopyOnWriteFs
	base     afero.Fs

	mu      sync.Mutex
	removed map[string]bool        // names of the base that are gone; guarded by mu
	written map[string]bool        // files that the layer holds; guarded by mu
	made    map[string]bool        // folders that only the layer has; guarded by mu
	owners  map[string][2]int      // guarded by mu
	modes   map[string]fs.FileMode // guarded by mu
}

func newOverlay(base afero.Fs) *overlay {
	return &overlay{
		Fs:      afero.NewCopyOnWriteFs(afero.NewReadOnlyFs(base), afero.NewMemMapFs()),
		base:    base,
		removed: map[string]bool{},
		written: map[string]bool{},
		made:    map[string]bool{},
		owners:  map[string][2]int{},
		modes:   map[string]fs.FileMode{},
	}
}

func clean(name string) string { return path.Clean("/" + name) }

// overlayInfo is a FileInfo with the owner and mode that the overlay knows.
type overlayInfo struct {
	fs.FileInfo
	mode fs.FileMode
	sys  any
}

func (i overlayInfo) Mode() fs.FileMode { return i.mode }
func (i overlayInfo) Sys() any          { return i.sys }

// LstatIfPossible tells of the name itself.
func (o *overlay) LstatIfPossible(name string) (fs.FileInfo, bool, error) {
	name = clean(name)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.removed[name] {
		return nil, true, &fs.PathError{Op: "lstat", Path: name, Err: syscall.ENOENT}
	}
	var fi fs.FileInfo
	var err error
	if o.written[name] || o.made[name] {
		fi, err = o.Fs.Stat(name)
	} else {
		fi, err = Lstat(o.base, name)
	}
	if err != nil {
		return nil, true, err
	}
	info := overlayInfo{FileInfo: fi, mode: fi.Mode(), sys: fi.Sys()}
	if m, ok := o.modes[name]; ok {
		info.mode = fi.Mode()&^fs.ModePerm | m.Perm()
	}
	if own, ok := o.owners[name]; ok {
		st := syscall.Stat_t{Nlink: 1}
		if old, ok := sysStat(fi); ok {
			st = *old
		}
		st.Uid, st.Gid = uint32(own[0]), uint32(own[1])
		info.sys = &st
	}
	return info, true, nil
}

// Stat is Lstat, as in RootFs.
func (o *overlay) Stat(name string) (fs.FileInfo, error) {
	fi, _, err := o.LstatIfPossible(name)
	return fi, err
}

// Mkdir makes a folder in the layer.
func (o *overlay) Mkdir(name string, perm fs.FileMode) error {
	name = clean(name)
	if err := o.Fs.Mkdir(name, perm); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.removed, name)
	o.made[name] = true
	o.modes[name] = perm
	return nil
}

// Open opens for reading.
func (o *overlay) Open(name string) (afero.File, error) { return o.OpenFile(name, os.O_RDONLY, 0) }

// OpenFile reads from the base what was not written, and writes to the layer.
func (o *overlay) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	name = clean(name)
	o.mu.Lock()
	defer o.mu.Unlock()
	if flag&(os.O_WRONLY|os.O_RDWR|os.O_CREATE) == 0 {
		if o.removed[name] {
			return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOENT}
		}
		if o.written[name] || o.made[name] {
			return o.Fs.Open(name)
		}
		f, err := o.base.Open(name)
		if err != nil {
			return nil, err
		}
		return &overlayDir{File: f, o: o, name: name}, nil
	}
	f, err := o.Fs.OpenFile(name, flag, perm)
	if err == nil {
		o.written[name] = true
		delete(o.removed, name)
		o.modes[name] = perm
	}
	return f, err
}

// Remove hides a name of the base.
func (o *overlay) Remove(name string) error {
	name = clean(name)
	if _, err := o.Stat(name); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.forget(name)
}

// forget drops what is known of a name; o.mu is held.
func (o *overlay) forget(name string) error {
	if o.written[name] {
		if err := o.Fs.Remove(name); err != nil {
			return err
		}
		delete(o.written, name)
	}
	delete(o.modes, name)
	delete(o.owners, name)
	o.removed[name] = true
	return nil
}

// Rename moves what was written; it replaces what stood at newname.
func (o *overlay) Rename(oldname, newname string) error {
	oldname, newname = clean(oldname), clean(newname)
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.written[oldname] {
		return &fs.PathError{Op: "rename", Path: oldname, Err: syscall.EPERM}
	}
	if fi, err := Lstat(o.base, newname); err == nil && fi.IsDir() {
		return &fs.PathError{Op: "rename", Path: newname, Err: syscall.EISDIR}
	}
	if err := o.Fs.Rename(oldname, newname); err != nil {
		return err
	}
	mode, hasMode := o.modes[oldname]
	owner, hasOwner := o.owners[oldname]
	delete(o.written, oldname)
	delete(o.modes, oldname)
	delete(o.owners, oldname)
	o.written[newname] = true
	delete(o.removed, newname)
	if hasMode {
		o.modes[newname] = mode
	}
	if hasOwner {
		o.owners[newname] = owner
	}
	return nil
}

// Chmod notes a mode.
func (o *overlay) Chmod(name string, mode fs.FileMode) error {
	if _, err := o.Stat(name); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.modes[clean(name)] = mode
	return nil
}

// Chown notes an owner.
func (o *overlay) Chown(name string, uid, gid int) error {
	if _, err := o.Stat(name); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.owners[clean(name)] = [2]int{uid, gid}
	return nil
}

// overlayDir hides the removed names of a folder of the base.
type overlayDir struct {
	afero.File
	o    *overlay
	name string
}

// Readdirnames lists the folder without what was removed.
func (d *overlayDir) Readdirnames(n int) ([]string, error) {
	names, err := d.File.Readdirnames(n)
	return d.o.kept(d.name, names), err
}

// kept are the names in a folder that were not removed.
func (o *overlay) kept(dir string, names []string) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	kept := names[:0]
	for _, name := range names {
		if !o.removed[path.Join(dir, name)] {
			kept = append(kept, name)
		}
	}
	return kept
}
