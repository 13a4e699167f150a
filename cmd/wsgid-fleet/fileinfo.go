package main

import (
	"io/fs"
	"syscall"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
)

// reason is the bare cause of a file error: the path is already in the message.
func reason(err error) error {
	return bounded.Reason(err)
}

// ownerOf is the owner of a file.
func ownerOf(info fs.FileInfo) (uid, gid int, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(stat.Uid), int(stat.Gid), true
}
