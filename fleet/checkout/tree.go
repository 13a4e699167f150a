package checkout

import (
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	maxSource = 1 << 20 // bytes of a file
	maxNames  = 2000    // of a folder
)

// tree is the folder that is looked at.
type tree struct{ root *os.Root }

// text is what a file holds; empty where it is none, or cannot be read.
func (t tree) text(name string) string {
	// It may be a FIFO.
	f, err := t.root.OpenFile(path.Clean(name), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return ""
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSource))
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(string(b), "\r\n", "\n")
}

func (t tree) isFile(name string) bool {
	fi, err := t.root.Stat(path.Clean(name))
	return err == nil && fi.Mode().IsRegular()
}

func (t tree) isDir(name string) bool {
	fi, err := t.root.Stat(path.Clean(name))
	return err == nil && fi.IsDir()
}

// names are those of a folder, sorted.
func (t tree) names(dir string) []string {
	f, err := t.root.Open(path.Clean(dir))
	if err != nil {
		return nil
	}
	defer f.Close()
	entries, _ := f.ReadDir(maxNames)
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}

// folders are those in a folder that may hold code.
func (t tree) folders(dir string) []string {
	return slices.DeleteFunc(t.names(dir), func(name string) bool {
		return strings.HasPrefix(name, ".") || skipped[name] || !t.isDir(path.Join(dir, name)) || t.isFile(path.Join(dir, name, "pyvenv.cfg"))
	})
}

// skipped are folders of a project that hold no application.
var skipped = map[string]bool{
	"tests": true, "test": true, "docs": true, "doc": true, "examples": true, "node_modules": true, "static": true, "templates": true,
	"logs": true, "pid": true, "plugins": true, "migrations": true, "build": true, "dist": true, "__pycache__": true, "scripts": true,
}

// module is the file of a dotted name below a folder; empty: there is none.
func (t tree) module(dir, dotted string) string {
	at := path.Join(dir, strings.ReplaceAll(dotted, ".", "/"))
	for _, name := range []string{at + ".py", at + "/__init__.py"} {
		if t.isFile(name) {
			return name
		}
	}
	return ""
}
