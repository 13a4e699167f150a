package appdir

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// immutable tells whether an app folder lies on a read-only disk, as in an image,
// and the app can be served from there: its log has another place. Its pid files
// are then not written; the state directory knows the processes.
func immutable(fsys afero.Fs, spec *appspec.Spec) bool {
	r, ok := fsys.(*RootFs)
	return ok && (spec.Log.Target == "stderr" || spec.Log.Target == "journal") && r.ReadOnly()
}

// ReadOnly tells whether the folder lies on a disk that is mounted read-only.
func (r *RootFs) ReadOnly() bool {
	readOnly := false
	_ = r.at("stat", "/", func(dir int, _ string) error {
		var st unix.Statfs_t
		err := unix.Fstatfs(dir, &st)
		readOnly = err == nil && st.Flags&unix.ST_RDONLY != 0
		return err
	})
	return readOnly
}

// complete finds what must be there in a folder that cannot be mended.
func (r *repair) complete() error {
	fi, err := Lstat(r.fs, "/")
	if err != nil {
		return r.cannot("", err)
	}
	if err := r.isCheckout(); err != nil {
		return err
	}
	if err := r.foreign(fi); err != nil {
		return err
	}
	if r.checkout {
		return nil
	}
	if _, err := Lstat(r.fs, "/"+AppDir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot use %s as app folder: it holds no %s, and lies on a read-only file system; put the code there, or mount it writable", r.spec.Path, AppDir)
		}
		return r.cannot(AppDir, err)
	}
	return nil
}

// djangoHolds finds whether the django.json that is there is what the spec wants.
func (r *repair) djangoHolds() error {
	want, err := djangoJSON(r.spec)
	if err != nil {
		return err
	}
	is, err := r.read(DjangoFile)
	if err != nil {
		return err
	}
	if want != nil && !bytes.Equal(is.data, want) {
		return fmt.Errorf("cannot write %s: read-only file system; django.overrides of the spec would have no effect: mount it writable, or put this file there", r.path(DjangoFile))
	}
	if want == nil && !is.gone {
		old, err := r.read(ConfigFile)
		if err != nil {
			return err
		}
		if mark := readMark(old.data); mark.ours && mark.django != "" && digest(is.data) == mark.django {
			return fmt.Errorf("cannot remove %s: read-only file system; the spec has no django.overrides any more, and the app would read the old ones: mount it writable, or remove the file there", r.path(DjangoFile))
		}
	}
	return nil
}
