package facts

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Options are what an import needs to know besides the path.
type Options struct {
	Format    string // one of Formats; empty: found out by what is there
	Stdin     io.Reader
	LookupEnv func(string) (string, bool) // nil: os.LookupEnv
}

// Env is a variable of the environment that the file is read in, and whether it is set.
func (o Options) Env(name string) (string, bool) {
	if o.LookupEnv != nil {
		return o.LookupEnv(name)
	}
	return os.LookupEnv(name)
}

// MaxFile is the largest configuration that is read: no peer's is larger, and what
// is was meant to be something else.
const MaxFile = 4 << 20

// ReadFile reads a configuration.
func ReadFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO has nobody at its other end
	if err != nil {
		return nil, WithoutPath(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, WithoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, WithoutPath(err)
	}
	if len(text) > MaxFile {
		return nil, fmt.Errorf("it is larger than %d MiB: no configuration is", MaxFile>>20)
	}
	return text, nil
}

// FolderNames lists a folder, sorted.
func FolderNames(path string) ([]string, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, WithoutPath(err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// WithoutPath is an error without the path, which the caller names.
func WithoutPath(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}

// MaxOptions bounds what loops and includes of a configuration can make.
const MaxOptions = 20_000

// IsFolder tells whether a folder is there.
func IsFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Exists tells whether a file or folder is there.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
