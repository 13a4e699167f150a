package child

import (
	"errors"
	"io/fs"
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

// MayRead tells whether the account may read a file, or list a folder: the kernel is asked as
// that account, which knows of access control lists, too. What it does not say is no "no".
func (a *Account) MayRead(path string, folder bool) bool {
	want := uint32(unix.R_OK)
	if folder {
		want |= unix.X_OK
	}
	var err error
	if ierr := a.Impersonate("look at "+path, func() {
		err = unix.Faccessat(unix.AT_FDCWD, path, want, unix.AT_EACCESS)
	}); ierr != nil {
		return true
	}
	return !errors.Is(err, fs.ErrPermission)
}
