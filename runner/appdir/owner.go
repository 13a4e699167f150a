package appdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Owner is the user an app runs as; the app folder is that user's.
type Owner struct {
	UID    int
	GID    int
	Groups []int  // supplementary groups, without GID
	Name   string // the number where the user has no name
	Home   string // "/" where the user has none
	// Warning is what an operator should know of the choice; mostly empty.
	Warning string
}

// String is user:group as chown takes it.
func (o Owner) String() string { return o.Name + ":" + groupName(o.GID) }

// Credential is what a process gets that is started as the user.
func (o Owner) Credential() *syscall.Credential {
	groups := make([]uint32, len(o.Groups))
	for i, g := range o.Groups {
		groups[i] = uint32(g)
	}
	return &syscall.Credential{Uid: uint32(o.UID), Gid: uint32(o.GID), Groups: groups}
}

// fallbackUsers run the apps whose folder belongs to root and whose spec names
// no user: the first of them that the machine has.
var fallbackUsers = []string{"wsgid", "www-data"}

// ResolveOwner finds the user of an app. As root: the spec's user, else the
// owner of the app folder if that is not root, else the user wsgid, else
// www-data, else an error; root only where the spec names it. Not as root:
// this process's own user, and a spec that names another one is an error, as is
// chroot. Errors name the line of the spec.
func ResolveOwner(spec *appspec.Spec, root bool) (Owner, error) {
	o, err := FolderOwner(spec, root)
	if err == nil && root {
		o.Groups, err = supplementary(o)
	}
	if err != nil {
		return Owner{}, err
	}
	return o, nil
}

// FolderOwner is ResolveOwner without, as root, the supplementary groups, which
// cost more to find than all the rest and own no folder.
func FolderOwner(spec *appspec.Spec, root bool) (Owner, error) {
	return ownerBy(spec, root, func() (uid, gid int, err error) { return folderOwner(spec.Path) })
}

// OpenOwned is Open and FolderOwner at once, for who looks at many app folders. What the user
// database says of a user it asks for once in a second.
func OpenOwned(spec *appspec.Spec, root bool) (*RootFs, Owner, error) {
	r := &RootFs{path: spec.Path}
	open := sync.OnceValue(func() error {
		err := r.openRoot(false)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	o, err := owners.of(spec, root, func() (uid, gid int, err error) {
		if err := open(); err != nil {
			return 0, 0, err
		}
		return r.owner()
	})
	if err == nil {
		err = open()
	}
	if err != nil {
		_ = r.Close()
		return nil, Owner{}, err
	}
	return r, o, nil
}

// owner tells who owns the folder.
func (r *RootFs) owner() (uid, gid int, err error) {
	err = r.at("stat", "/", func(dir int, _ string) error {
		var st unix.Stat_t
		err := unix.Fstat(dir, &st)
		uid, gid = int(st.Uid), int(st.Gid)
		return err
	})
	return uid, gid, err
}

func ownerBy(spec *appspec.Spec, root bool, folder func() (uid, gid int, err error)) (Owner, error) {
	if !root {
		return ownUser(spec)
	}
	var o Owner
	var err error
	if spec.User != "" {
		if o, err = lookupUser(spec.User); err != nil {
			return Owner{}, fmt.Errorf("%w%s", err, place(spec, "user"))
		}
		if o.UID == 0 {
			o.Warning = fmt.Sprintf("app %s runs as root: an attacker who gets into it controls the machine%s", spec.Name, place(spec, "user"))
		}
	} else if o, err = derivedUser(spec, folder); err != nil {
		return Owner{}, err
	}
	if spec.Group != "" {
		gid, err := lookupGroup(spec.Group)
		if err != nil {
			return Owner{}, fmt.Errorf("%w%s", err, place(spec, "group"))
		}
		o.GID = gid
	}
	return o, nil
}

// derivedUser is the user of an app whose spec names none.
func derivedUser(spec *appspec.Spec, folder func() (uid, gid int, err error)) (Owner, error) {
	uid, gid, err := folder()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Owner{}, err
	}
	if err == nil && uid != 0 {
		if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
			return ownerOf(u)
		}
		return Owner{UID: uid, GID: gid, Name: strconv.Itoa(uid), Home: "/"}, nil
	}
	for _, name := range fallbackUsers {
		if u, err := user.Lookup(name); err == nil {
			return ownerOf(u)
		}
	}
	return Owner{}, fmt.Errorf("cannot choose a user for app %s: its folder %s belongs to root, and neither the user wsgid nor www-data exists; write user = \"…\" into the spec, or create the user: useradd --system wsgid",
		spec.Name, spec.Path)
}

// folderOwner tells who owns an app folder.
func folderOwner(path string) (uid, gid int, err error) {
	fd, err := openFolder(path, false)
	if err != nil {
		return 0, 0, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, 0, fmt.Errorf("cannot stat app folder %s: %w", path, err)
	}
	return int(st.Uid), int(st.Gid), nil
}

// ownUser is what an ordinary user's daemon runs everything as.
func ownUser(spec *appspec.Spec) (Owner, error) {
	uid := os.Geteuid()
	o := Owner{UID: uid, GID: os.Getegid(), Name: strconv.Itoa(uid), Home: "/"}
	if u, err := user.LookupId(o.Name); err == nil {
		o.Name, o.Home = u.Username, u.HomeDir
	}
	if spec.User != "" && spec.User != o.Name && spec.User != strconv.Itoa(uid) {
		return Owner{}, fmt.Errorf("cannot run app %s as user %q%s: this needs root, and the program runs as %q; leave user out, or run it as root",
			spec.Name, spec.User, place(spec, "user"), o.Name)
	}
	if spec.Chroot {
		return Owner{}, fmt.Errorf("cannot run app %s with chroot%s: this needs root, and the program runs as %q; leave chroot out, or run it as root",
			spec.Name, place(spec, "chroot"), o.Name)
	}
	groups, err := os.Getgroups()
	if err != nil {
		return Owner{}, fmt.Errorf("cannot list the groups of this process: %w", err)
	}
	if spec.Group != "" {
		gid, err := lookupGroup(spec.Group)
		if err != nil {
			return Owner{}, fmt.Errorf("%w%s", err, place(spec, "group"))
		}
		if gid != o.GID {
			return Owner{}, fmt.Errorf("cannot run app %s as group %q%s: this needs root, and the program runs as group %q; leave group out, or run it as root",
				spec.Name, spec.Group, place(spec, "group"), groupName(o.GID))
		}
	}
	o.Groups = slices.DeleteFunc(groups, func(g int) bool { return g == o.GID })
	return o, nil
}

// lookupUser finds a user by name, or by number, which needs no entry in the
// user database.
func lookupUser(name string) (Owner, error) {
	u, err := user.Lookup(name)
	if err == nil {
		return ownerOf(u)
	}
	if uid, ok := number(name); ok {
		if u, err := user.LookupId(name); err == nil {
			return ownerOf(u)
		}
		return Owner{UID: uid, GID: uid, Name: name, Home: "/"}, nil
	}
	if _, ok := errors.AsType[user.UnknownUserError](err); ok {
		return Owner{}, fmt.Errorf("user %q does not exist", name)
	}
	return Owner{}, fmt.Errorf("cannot look up user %q: %w", name, err)
}

func lookupGroup(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err == nil {
		return strconv.Atoi(g.Gid)
	}
	if gid, ok := number(name); ok {
		return gid, nil
	}
	if _, ok := errors.AsType[user.UnknownGroupError](err); ok {
		return 0, fmt.Errorf("group %q does not exist", name)
	}
	return 0, fmt.Errorf("cannot look up group %q: %w", name, err)
}

// number reads a user or group id. The two greatest numbers mean "none" to the
// kernel.
func number(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return int(n), err == nil && n < 1<<32-2 && strconv.FormatUint(n, 10) == s
}

func ownerOf(u *user.User) (Owner, error) {
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return Owner{}, fmt.Errorf("user %q has uid %q", u.Username, u.Uid)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return Owner{}, fmt.Errorf("user %q has gid %q", u.Username, u.Gid)
	}
	home := u.HomeDir
	if home == "" {
		home = "/"
	}
	return Owner{UID: uid, GID: gid, Name: u.Username, Home: home}, nil
}

// supplementary lists the groups that the user database gives a user.
func supplementary(o Owner) ([]int, error) {
	u, err := user.LookupId(strconv.Itoa(o.UID))
	if err != nil {
		return nil, nil //nolint:nilerr // a bare number has no groups
	}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("cannot list the groups of user %q: %w", o.Name, err)
	}
	var groups []int
	for _, id := range ids {
		if g, err := strconv.Atoi(id); err == nil && g != o.GID {
			groups = append(groups, g)
		}
	}
	return groups, nil
}

func groupName(gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return g.Name
	}
	return strconv.Itoa(gid)
}

// place tells where an attribute was written, as " (line 4 of /etc/wsgid.d/blog.hcl)",
// or nothing where that is not known.
func place(spec *appspec.Spec, attr string) string {
	rng, ok := spec.Ranges[attr]
	if !ok || rng.Start.Line == 0 {
		return ""
	}
	return fmt.Sprintf(" (line %d of %s)", rng.Start.Line, rng.Filename)
}
