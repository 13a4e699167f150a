package appdir

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Problem is one thing that is wrong with an app folder.
type Problem struct {
	Path string `json:"path"` // absolute
	What string `json:"what"` // what a repair does: "create the folder"
	Why  string `json:"why"`  // "it is missing"
}

// String is one line: "/var/wsgid/blog/plugins: create the folder (it is missing)".
func (p Problem) String() string { return p.Path + ": " + p.What + " (" + p.Why + ")" }

// Check returns what Repair would do, and changes nothing: it is the repair run
// on a copy-on-write view. fsys is rooted at the app folder (see Open). live
// tells whether a process is this app's; nil takes every live process for it.
// The error is what a repair cannot mend; the problems before it are returned
// too.
func Check(fsys afero.Fs, spec *appspec.Spec, owner Owner, live func(pid int) bool) ([]Problem, error) {
	if immutable(fsys, spec) {
		return Repair(fsys, spec, owner, live)
	}
	return Repair(newOverlay(fsys), spec, owner, live)
}

// Repair puts an app folder right, and returns what it did, in order. It stops
// at the first thing that it cannot mend.
func Repair(fsys afero.Fs, spec *appspec.Spec, owner Owner, live func(pid int) bool) ([]Problem, error) {
	r := newRepair(fsys, spec, owner, live)
	if immutable(fsys, spec) {
		return r.run(r.complete, r.djangoHolds)
	}
	return r.run(r.folder, r.folders, r.leftovers, r.pidFiles, r.config)
}

func newRepair(fsys afero.Fs, spec *appspec.Spec, owner Owner, live func(pid int) bool) *repair {
	if live == nil {
		live = func(pid int) bool { return ProcAlive(pid, 0) }
	}
	r := &repair{fs: fsys, spec: spec, owner: owner, code: owner, live: live, root: os.Geteuid() == 0}
	r.checkout = spec.Release == nil && spec.Code != "" && spec.CodeDir() != AppDir
	return r
}

func (r *repair) run(steps ...func() error) ([]Problem, error) {
	for _, step := range steps {
		if err := step(); err != nil {
			return r.problems, err
		}
	}
	return r.problems, nil
}

// repair is one walk over an app folder.
type repair struct {
	fs       afero.Fs
	spec     *appspec.Spec
	owner    Owner
	code     Owner // whose app/ and plugins/ are where they have to be made
	checkout bool  // the code is the app folder itself, or somewhere else in it than in app/
	live     func(pid int) bool
	root     bool
	problems []Problem
	listed   map[string][]string // folders whose names were read
}

func (r *repair) path(name string) string { return Join(r.spec.Path, name) }

func (r *repair) note(name, what, why string) {
	r.problems = append(r.problems, Problem{Path: r.path(name), What: what, Why: why})
}

// cannot is the error of something that a person has to look at.
func (r *repair) cannot(name string, err error) error {
	return fmt.Errorf("cannot repair %s: %w", r.path(name), explain(err, r.spec.Path))
}

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

// names lists a folder, once: no step makes or removes what a later one looks for.
func (r *repair) names(dir string) ([]string, error) {
	if names, ok := r.listed[dir]; ok {
		return names, nil
	}
	names, err := readNames(r.fs, dir)
	if err != nil {
		return nil, r.cannot(dir, err)
	}
	if r.listed == nil {
		r.listed = map[string][]string{}
	}
	r.listed[dir] = names
	return names, nil
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

// leftovers are temporary files of a repair that was cut off.
func (r *repair) leftovers() error {
	for _, dir := range []string{"/", "/" + MasterPIDDir, "/" + WorkerPIDDir} {
		names, err := r.names(dir)
		if err != nil {
			return err
		}
		for _, base := range names {
			if !isTemp(base) || !isOurTemp(base) {
				continue
			}
			name := dir + "/" + base
			if fi, err := Lstat(r.fs, name); err != nil || fi.IsDir() {
				continue
			}
			r.note(name, "remove the file", "an interrupted write left it behind")
			if err := r.remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// isOurTemp tells the temporary files of this package from anybody else's.
func isOurTemp(base string) bool {
	target, _, _ := strings.Cut(base[1:], tempMark)
	_, pid := pidOf(target)
	return pid || target == ConfigFile || target == DjangoFile || target == ConfigFile+keptSuffix || target == DjangoFile+keptSuffix
}

func (r *repair) remove(name string) error {
	if err := r.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove %s: %w", r.path(name), explain(err, r.spec.Path))
	}
	return nil
}

// pidFiles removes the pid files of processes that are not this app's, and
// writes those of its live ones anew where they are damaged.
func (r *repair) pidFiles() error {
	for _, kind := range []Kind{Master, Worker} {
		dir := "/" + string(kind)
		names, err := r.names(dir)
		if err != nil {
			return err
		}
		before := len(r.problems)
		for _, base := range names {
			if strings.HasSuffix(base, ".pid") {
				if err := r.pidFile(kind, dir+"/"+base, base); err != nil {
					return err
				}
			}
		}
		r.sumUp(dir, before, len(names) == maxNames)
	}
	return nil
}

// maxTold is how many pid files of one folder a plan lists one by one.
const maxTold = 20

// sumUp makes one problem of those since a number that are too many to be read.
func (r *repair) sumUp(dir string, since int, more bool) {
	n := len(r.problems) - since - maxTold
	if n <= 0 {
		return
	}
	what := fmt.Sprintf("remove or correct %d more pid files", n)
	if more {
		what += ", and in the next repairs those that are behind them"
	}
	r.problems = r.problems[:since+maxTold]
	r.note(dir, what, "no process of this app has them")
}

func (r *repair) pidFile(kind Kind, name, base string) error {
	if fi, err := Lstat(r.fs, name); err != nil || fi.IsDir() {
		return nil //nolint:nilerr // gone by now; or no file at all, which nothing reads
	}
	pid, ok := pidOf(base)
	if ok && r.live(pid) {
		if holdsPID(r.fs, name, pid) {
			return nil
		}
		r.note(name, "rewrite the file", "it does not hold the number of its process")
		return WritePID(r.fs, kind, pid, r.owner)
	}
	why := "its name is not a process number"
	if ok {
		why = fmt.Sprintf("process %d does not belong to this app any more", pid)
		if !ProcAlive(pid, 0) {
			why = fmt.Sprintf("process %d is dead", pid)
		}
	}
	r.note(name, "remove the pid file", why)
	return r.remove(name)
}

// keptSuffix marks the copy of a file that somebody wrote by hand, made before
// the fleet writes its own.
const keptSuffix = ".before-fleet"

// config writes wsgid.json and django.json where they differ from the spec.
func (r *repair) config() error {
	old, err := r.read(ConfigFile)
	if err != nil {
		return err
	}
	django, err := djangoJSON(r.spec)
	if err != nil {
		return err
	}
	config, err := configJSON(r.spec, django)
	if err != nil {
		return err
	}
	oldDjango, err := r.read(DjangoFile)
	if err != nil {
		return err
	}
	// django.json comes first: while wsgid.json still has the old mark, a repair
	// that is cut off here finds both files different, and starts again.
	mark := ourMark(django)
	if !bytes.Equal(old.data, config) { // what we would write needs no reading
		mark = readMark(old.data)
	}
	switch ours := mark.ours && digest(oldDjango.data) == mark.django; {
	case django != nil:
		if err := r.put(DjangoFile, oldDjango, django, ours); err != nil {
			return err
		}
	case oldDjango.why == "" && ours && mark.django != "":
		r.note(DjangoFile, "remove the file", "the spec has no django.overrides any more")
		if err := r.remove("/" + DjangoFile); err != nil {
			return err
		}
	}
	return r.put(ConfigFile, old, config, mark.ours)
}

// found is a file of the app folder as it was found.
type found struct {
	data []byte
	why  string // why it must be written anew whatever it holds; empty for a sound file
	gone bool
}

// read reads a file that the program writes, if it is a sound one.
func (r *repair) read(name string) (found, error) {
	fi, err := Lstat(r.fs, "/"+name)
	if errors.Is(err, fs.ErrNotExist) {
		return found{why: "it is missing", gone: true}, nil
	}
	if err != nil {
		return found{}, r.cannot(name, err)
	}
	if fi.IsDir() {
		return found{}, fmt.Errorf("cannot repair %s: it is a folder, not a file; move it away (mv %s %s.old), it is then written again",
			r.path(name), r.path(name), r.path(name))
	}
	st, known := sysStat(fi)
	if !fi.Mode().IsRegular() {
		why := "it is not a regular file"
		if known {
			why = "it is " + kindOf(st.Mode)
		}
		return found{why: why}, nil
	}
	if known && st.Nlink > 1 {
		return found{why: fmt.Sprintf("it has %d names (hard links)", st.Nlink)}, nil
	}
	f := found{}
	switch perm := fi.Mode().Perm(); {
	case known && int(st.Uid) != r.owner.UID:
		f.why = "it belongs to " + userName(int(st.Uid))
	case known && r.root && int(st.Gid) != r.owner.GID:
		f.why = "it belongs to group " + groupName(int(st.Gid))
	case perm&^SecretMode != 0:
		f.why = fmt.Sprintf("its mode %04o allows others to read it", perm)
	case perm&0o400 == 0:
		f.why = fmt.Sprintf("its mode %04o denies access to its owner", perm)
	}
	if f.data, err = readFile(r.fs, "/"+name); err != nil {
		large, ok := errors.AsType[tooLargeError](err)
		switch {
		case ok:
			f.why = large.Error()
		case errors.Is(err, fs.ErrPermission):
			f.why = "it cannot be read"
		default:
			return found{}, r.cannot(name, err)
		}
	}
	return f, nil
}

// put writes a file anew where it differs. What somebody wrote by hand is kept
// beside it once.
func (r *repair) put(name string, old found, data []byte, ours bool) error {
	why := old.why
	same := bytes.Equal(old.data, data)
	if !same && (why == "" || len(old.data) > 0) {
		why = "it differs from the spec"
	}
	if why == "" {
		return nil
	}
	what := "write the file"
	if !old.gone {
		what = "rewrite the file"
	}
	if len(old.data) > 0 && !same && !ours {
		if err := r.keep(name, old.data); err != nil {
			return err
		}
	}
	r.note(name, what, why)
	if err := writeFile(r.fs, name, data, SecretMode, r.owner, true); err != nil {
		return fmt.Errorf("cannot write %s: %w", r.path(name), explain(err, r.spec.Path))
	}
	return nil
}

func (r *repair) keep(name string, data []byte) error {
	copyName := name + keptSuffix
	if _, err := Lstat(r.fs, "/"+copyName); err == nil {
		return nil // the first one is the one that was written by hand
	}
	r.note(copyName, "keep a copy of "+name, "it was written by hand")
	if err := writeFile(r.fs, copyName, data, SecretMode, r.owner, true); err != nil {
		return fmt.Errorf("cannot write %s: %w", r.path(copyName), explain(err, r.spec.Path))
	}
	return nil
}
