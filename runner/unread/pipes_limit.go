package unread

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// pipesAllowed is how many pipes all bodies of a store may have: mostPipes, or a quarter
// of those that the kernel lets a user have who is not privileged. All masters of a user
// share them with whatever else the user runs, whose pipes are small past that.
var pipesAllowed = sync.OnceValue(measurePipes)

func measurePipes() int64 {
	if unboundPipes() {
		return mostPipes
	}
	pages := int64(16384) // the kernel's default
	if text, err := os.ReadFile("/proc/sys/fs/pipe-user-pages-soft"); err == nil {
		if n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64); err == nil {
			pages = n
		}
	}
	return shareOfPipes(pages, int64(os.Getpagesize()))
}

// shareOfPipes is how many pipes a store has of so many pages for a user; 0: of any number.
func shareOfPipes(pages, pageSize int64) int64 {
	if pages == 0 {
		return mostPipes
	}
	return min(mostPipes, pages*pageSize/pipeSize/4)
}

// unboundPipes tells whether the kernel bounds our pipes at all.
func unboundPipes() bool {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&head, &data[0]) != nil {
		return false
	}
	return data[0].Effective&(1<<unix.CAP_SYS_RESOURCE|1<<unix.CAP_SYS_ADMIN) != 0 && firstUsers()
}

// firstUsers tells whether this is the machine's first user namespace: in another one
// root has all capabilities, and the kernel bounds its pipes all the same. Who cannot know
// is bounded.
func firstUsers() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && slices.Equal(strings.Fields(string(text)), []string{"0", "0", "4294967295"})
}
