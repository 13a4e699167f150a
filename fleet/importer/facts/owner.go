package facts

import (
	"os"
	"os/user"
	"strconv"
	"sync"
	"syscall"
)

// OwnerOf is the name of a file's owner; empty: it cannot be told.
func OwnerOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	id := strconv.FormatUint(uint64(st.Uid), 10)
	if name := UserName(id); name != id {
		return name
	}
	return ""
}

// The files of users and groups are read once for a number, not for each app of a
// folder that names it.
var userNames, groupNames sync.Map

// UserName is the name of a user who may be given by number.
func UserName(text string) string {
	return known(&userNames, text, func() (string, error) {
		u, err := user.LookupId(text)
		if err != nil {
			return "", err
		}
		return u.Username, nil
	})
}

// GroupName is the name of a group that may be given by number.
func GroupName(text string) string {
	return known(&groupNames, text, func() (string, error) {
		g, err := user.LookupGroupId(text)
		if err != nil {
			return "", err
		}
		return g.Name, nil
	})
}

// known is the name for a text, or the text itself.
func known(names *sync.Map, text string, find func() (string, error)) string {
	if name, ok := names.Load(text); ok {
		return name.(string)
	}
	name, err := find()
	if err != nil {
		name = text
	}
	names.Store(text, name)
	return name
}
