package hclspec

import (
	"errors"
	"io/fs"
	"strconv"
	"syscall"
)

func itoa(n int) string { return strconv.Itoa(n) }

func readAdvice(err error) string {
	const meanwhile = ": until then the apps of this file keep running as they are"
	switch {
	case err.Error() == noSuchFile:
		return "is the name right?"
	case errors.Is(err, fs.ErrNotExist):
		return "remove the link or put its target back" + meanwhile
	case errors.Is(err, fs.ErrPermission):
		return "give the user of the daemon permission to read it" + meanwhile
	case errors.Is(err, syscall.ELOOP):
		return "correct the symlink" + meanwhile
	default:
		return "a spec is a regular file of text: give this one another name, or put it elsewhere"
	}
}
