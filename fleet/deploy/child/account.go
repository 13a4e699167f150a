package child

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Account is the user that programs run as.
type Account struct {
	UID    int
	GID    int
	Groups []int // supplementary groups, without GID
	Home   string
	Name   string // for messages; may be empty
}

// Check refuses root: who wants programs to run as this process's own user gives
// no account.
func (a *Account) Check() error {
	switch {
	case a == nil:
		return nil
	case a.UID == 0:
		return errors.New("the account is root, and no code of a repository runs as root; give the app a user of its own")
	case a.UID < 0 || a.GID < 0:
		return errors.New("the account has no number")
	}
	return nil
}

// String names the account in messages.
func (a *Account) String() string {
	if a == nil || a.Name == "" {
		return "the app's user"
	}
	return a.Name
}

func (a *Account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	c := &syscall.Credential{Uid: uint32(a.UID), Gid: uint32(a.GID)}
	for _, g := range a.Groups {
		c.Groups = append(c.Groups, uint32(g))
	}
	return c
}

// MayRead tells whether the mode of a file lets the account read it. It says
// nothing of the folders on the way.
func (a *Account) MayRead(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	uid, gid := unix.Geteuid(), unix.Getegid()
	var groups []int
	if a != nil {
		uid, gid, groups = a.UID, a.GID, a.Groups
	} else {
		groups, _ = unix.Getgroups()
	}
	mode := fi.Mode().Perm()
	switch {
	case uid == 0:
		return true
	case int(st.Uid) == uid:
		return mode&0o400 != 0
	case int(st.Gid) == gid || slices.Contains(groups, int(st.Gid)):
		return mode&0o040 != 0
	}
	return mode&0o004 != 0
}
