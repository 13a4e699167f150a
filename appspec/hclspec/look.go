package hclspec

import (
	"encoding/binary"
	"hash/maphash"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/spf13/afero"
)

// Look is what a spec directory looks like, without a file of it being read: the names of
// its spec files, and of each what tells it from another one at its place. A load by a look
// reads what the look found changed, and what has changed since counts at the next one.
type Look struct {
	dir    string
	id     [2]uint64 // device and inode of the directory
	paths  []string  // of the spec files, in lexical order
	others []string  // names that somebody may believe are read
	stamps []stamp   // of paths
}

// manyFiles is a file system that looks at many files for less than one after another. take
// is called from several goroutines, for each path once.
type manyFiles interface {
	StatEach(paths []string, take func(i int, info fs.FileInfo, err error))
	ReadlinkEach(paths []string, take func(i int, to string, err error))
}

// LookAt looks at a spec directory. The error is that of Load.
func LookAt(fsys afero.Fs, dir string) (*Look, error) {
	info, names, others, err := specFiles(fsys, dir)
	if err != nil {
		return nil, err
	}
	l := &Look{dir: dir, others: others, paths: make([]string, len(names)), stamps: make([]stamp, len(names))}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		l.id = [2]uint64{st.Dev, st.Ino}
	}
	for i, name := range names {
		l.paths[i] = filepath.Join(dir, name)
	}
	if many, ok := fsys.(manyFiles); ok {
		many.StatEach(l.paths, func(i int, info fs.FileInfo, err error) { l.stamps[i] = stampBy(fsys, l.paths[i], info, err) })
		return l, nil
	}
	for i, path := range l.paths {
		l.stamps[i] = stampOf(fsys, path)
	}
	return l, nil
}

var lookSeed = maphash.MakeSeed()

// Print is another number, within a process, where names or files of the directory are
// others than they were.
func (l *Look) Print() uint64 {
	var h maphash.Hash
	h.SetSeed(lookSeed)
	var b []byte
	number := func(n uint64) { b = binary.LittleEndian.AppendUint64(b, n) }
	number(l.id[0])
	number(l.id[1])
	for i, path := range l.paths {
		s := &l.stamps[i]
		for _, n := range [...]uint64{s.device, s.node, uint64(s.mode), uint64(s.size), uint64(s.modified), uint64(s.changed)} {
			number(n)
		}
		_, _ = h.Write(b)
		b = b[:0]
		_, _ = h.WriteString(path)
		_ = h.WriteByte(0)
		_, _ = h.WriteString(s.fault)
		_ = h.WriteByte(0)
	}
	_, _ = h.Write(b)
	return h.Sum64()
}
