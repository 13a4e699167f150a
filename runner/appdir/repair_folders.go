package appdir

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// folder is the app folder itself.
func (r *repair) folder() error {
	fi, err := Lstat(r.fs, "/")
	if errors.Is(err, fs.ErrNotExist) {
		return r.makeDir("/", DirMode, r.owner)
	}
	if err != nil {
		return r.cannot("", err)
	}
	if err := r.isCheckout(); err != nil {
		return err
	}
	if err := r.foreign(fi); err != nil {
		return err
	}
	if st, ok := sysStat(fi); ok && r.root && !r.takes(int(st.Uid)) {
		r.code = Owner{UID: int(st.Uid), GID: int(st.Gid), Name: userName(int(st.Uid))}
	}
	return r.mendDir("/", fi, layoutDir{name: "/", mode: DirMode})
}

// foreign refuses a folder that is somebody else's and does not look like an
// app folder: a mistyped path must not give /etc to an app's user.
func (r *repair) foreign(fi fs.FileInfo) error {
	st, ok := sysStat(fi)
	if !ok || !r.root || int(st.Uid) == r.owner.UID {
		return nil
	}
	names, err := r.names("/")
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return nil
	}
	if r.checkout && !r.takes(int(st.Uid)) || appspec.IsCheckout(names) {
		return nil
	}
	for _, name := range []string{"/" + AppDir, "/" + ConfigFile} {
		if _, err := Lstat(r.fs, name); err == nil {
			return nil
		}
	}
	return fmt.Errorf("cannot use %s as app folder: it belongs to %s, is not empty and holds no app/; correct path, or, if this is the right folder: write code = \".\" into the spec where it is a checkout whose code the app imports from here, else make it an app folder first: wsgid init --app-path=%s",
		r.spec.Path, userName(int(st.Uid)), r.spec.Path)
}

// folders are the layout.
func (r *repair) folders() error {
	for _, d := range layout {
		if d.name == AppDir && r.checkout {
			continue
		}
		name := "/" + d.name
		fi, err := Lstat(r.fs, name)
		if errors.Is(err, fs.ErrNotExist) {
			owner := r.code
			if d.ours {
				owner = r.owner
			}
			if err := r.makeDir(name, d.mode, owner); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return r.cannot(name, err)
		}
		if err := r.mendDir(name, fi, d); err != nil {
			return err
		}
	}
	return nil
}

// overflowUser is the kernel's nobody, whom it shows where it knows no better.
const overflowUser = 65534

func (r *repair) makeDir(name string, mode fs.FileMode, owner Owner) error {
	r.note(name, "create the folder", "it is missing")
	if err := r.fs.Mkdir(name, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		var pe *fs.PathError
		if name == "/" && !errors.As(err, &pe) {
			return err // RootFs has said it all
		}
		return fmt.Errorf("cannot create folder %s: %w", r.path(name), explain(err, r.spec.Path))
	}
	// The umask may have taken from the mode, and the folder is still ours.
	if err := r.chown(name, owner); err != nil {
		return err
	}
	if err := r.fs.Chmod(name, mode); err != nil {
		return fmt.Errorf("cannot set the mode of %s to %04o: %w", r.path(name), mode, explain(err, r.spec.Path))
	}
	return nil
}

// mendDir puts owner and mode of an existing folder right.
func (r *repair) mendDir(name string, fi fs.FileInfo, d layoutDir) error {
	if fi.Mode()&fs.ModeSymlink != 0 && !d.ours {
		return nil // a deployment's link to a release: only the app's user reads it
	}
	if !fi.IsDir() {
		return r.notFolder(name, fi)
	}
	st, known := sysStat(fi)
	stays := known && r.root && !d.ours && int(st.Uid) != r.owner.UID && !r.takes(int(st.Uid))
	if known && int(st.Uid) != r.owner.UID && !stays {
		if !r.root {
			return r.usable(name, st.Uid, d)
		}
		r.note(name, "change its owner to "+r.owner.String(), "it belongs to "+userName(int(st.Uid)))
		if err := r.chown(name, r.owner); err != nil {
			return err
		}
	}
	why := wrongMode(fi.Mode())
	if stays && fi.Mode()&0o002 == 0 {
		why = "" // how its owner works with it is his to say
	}
	if why != "" {
		r.note(name, fmt.Sprintf("set its mode to %04o", d.mode), why)
		if err := r.fs.Chmod(name, d.mode); err != nil {
			return fmt.Errorf("cannot set the mode of %s to %04o: %w", r.path(name), d.mode, explain(err, r.spec.Path))
		}
	}
	return nil
}

// wrongMode says what is wrong with the mode of a folder: its owner lacks a
// right, or anybody may write. Stricter modes that somebody chose stay.
func wrongMode(mode fs.FileMode) string {
	switch perm := mode.Perm(); {
	case perm&0o700 != 0o700:
		return fmt.Sprintf("its mode %04o denies access to its owner", perm)
	case perm&0o002 != 0:
		return fmt.Sprintf("its mode %04o allows anyone to write", perm)
	}
	return ""
}

func (r *repair) notFolder(name string, fi fs.FileInfo) error {
	kind := "a file"
	if st, ok := sysStat(fi); ok {
		kind = kindOf(st.Mode)
	}
	if fi.Mode()&fs.ModeSymlink != 0 {
		if l, ok := r.fs.(afero.LinkReader); ok {
			if to, err := l.ReadlinkIfPossible(name); err == nil {
				kind += " to " + to
			}
		}
		return fmt.Errorf("cannot repair %s: it is %s, not a folder, and the program follows no link where it writes; remove the link (rm %s), or mount its target there",
			r.path(name), kind, r.path(name))
	}
	return fmt.Errorf("cannot repair %s: it is %s, not a folder; move it away (mv %s %s.old), it is then created again",
		r.path(name), kind, r.path(name), r.path(name))
}

// usable is for an ordinary user, who cannot change whose a folder is: it is
// enough that he may write where the program writes.
func (r *repair) usable(name string, uid uint32, d layoutDir) error {
	need := uint32(unix.X_OK)
	if d.ours {
		need |= unix.W_OK
	}
	if err := unix.Access(r.path(name), need); err != nil {
		as := "as root: sudo wsgid-fleet …"
		if uid != 0 {
			as = "as that user: sudo -u " + userName(int(uid)) + " wsgid-fleet …"
		}
		return fmt.Errorf("cannot use %s: it belongs to %s, and the program runs as %s and may not use it; run it %s, or give the app a path of your own",
			r.path(name), userName(int(uid)), r.owner.Name, as)
	}
	return nil
}

// chown gives a folder that root made or found to a user.
func (r *repair) chown(name string, owner Owner) error {
	if fi, err := Lstat(r.fs, name); err == nil {
		st, ok := sysStat(fi)
		if ok && int(st.Uid) == owner.UID && (int(st.Gid) == owner.GID || !r.root) {
			return nil
		}
	}
	if err := r.fs.Chown(name, owner.UID, owner.GID); err != nil {
		return fmt.Errorf("cannot give %s to %s: %w", r.path(name), owner, explain(err, r.spec.Path))
	}
	return nil
}
