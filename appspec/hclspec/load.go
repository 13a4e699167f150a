package hclspec

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// defaultRoot is where app folders are unless defaults say otherwise.
const defaultRoot = "/var/wsgid"

// Load reads a spec directory: *.hcl and *.hcl.json in lexical order, symlinks
// followed. What is wrong with a file or an app is in the set; the error is for
// the directory itself: missing, not a directory, not readable.
func (o Options) Load(fsys afero.Fs, dir string) (*Set, error) {
	look, err := LookAt(fsys, dir)
	if err != nil {
		return nil, err
	}
	return o.LoadBy(fsys, look), nil
}

// LoadBy is Load by a look that was taken just before.
func (o Options) LoadBy(fsys afero.Fs, look *Look) *Set {
	dir := look.dir
	l := newLoader(o, fsys, dir)
	l.expect(len(look.paths))
	for _, name := range look.others {
		l.set.Warnings = append(l.set.Warnings, explain.Warning(hcl.Range{Filename: filepath.Join(dir, name), Start: hcl.InitialPos, End: hcl.InitialPos},
			"the file is not read: the name of a spec ends in .hcl", otherAdvice(name)))
	}
	entries := l.prefetch(look)
	for i, path := range look.paths {
		l.read(path, entries[i], false)
	}
	return l.finish()
}

// LoadFiles reads single files, each with the defaults.hcl of its directory, and
// checks them together. Files that cannot be read are faults of the set.
func (o Options) LoadFiles(fsys afero.Fs, files ...string) *Set {
	l := newLoader(o, fsys, "")
	for _, path := range files {
		l.read(filepath.Clean(path), nil, true)
	}
	return l.finish()
}

// specFiles lists the spec files of a directory.
func specFiles(fsys afero.Fs, dir string) (info fs.FileInfo, names, others []string, err error) {
	fail := func(why, next string) error {
		return fmt.Errorf("cannot read spec directory %s: %s: %s", dir, why, next)
	}
	info, err = fsys.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, nil, fail("no such directory", "create it, or name another with --dir")
	case errors.Is(err, fs.ErrPermission):
		return nil, nil, nil, fail("permission denied", "give this user the permission to read it, or name another with --dir")
	case errors.Is(err, syscall.ELOOP):
		return nil, nil, nil, fail("its symlinks form a loop", "correct them, or name another with --dir")
	case err != nil:
		return nil, nil, nil, fail(reason(fsys, dir, err).Error(), "name another with --dir")
	case !info.IsDir():
		return nil, nil, nil, fail("it is a file, not a directory", "name its directory with --dir; validate takes files")
	}
	d, err := fsys.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil, nil, nil, fail("permission denied", "give this user the permission to read it, or name another with --dir")
	} else if err != nil {
		return nil, nil, nil, fail(reason(fsys, dir, err).Error(), "name another with --dir")
	}
	defer d.Close()
	all, err := d.Readdirnames(-1)
	if err != nil {
		return nil, nil, nil, fail(reason(fsys, dir, err).Error(), "name another with --dir")
	}
	sort.Strings(all)
	for _, name := range all {
		if IsSpecFile(name) {
			names = append(names, name)
		} else if seemsSpec(name) {
			others = append(others, name)
		}
	}
	return info, names, others, nil
}

// seemsSpec tells whether somebody may believe that a file of this name is read:
// it ends as the configurations of other programs do.
func seemsSpec(name string) bool {
	if strings.HasPrefix(name, ".") {
		return false
	}
	switch filepath.Ext(name) {
	case ".conf", ".cfg", ".ini", ".yaml", ".yml", ".toml", ".json", ".xml", ".service", ".tf", ".nomad", ".HCL":
		return true
	}
	return strings.HasSuffix(name, ".hcl.txt")
}

func otherAdvice(name string) string {
	stem := strings.TrimSuffix(strings.TrimSuffix(name, filepath.Ext(name)), ".hcl")
	if strings.HasSuffix(name, ".json") {
		return "if it is one in JSON, name it " + stem + ".hcl.json; else move it elsewhere"
	}
	return "if it is one, name it " + stem + ".hcl; else move it elsewhere"
}

// IsSpecFile tells whether a file of this name in a spec directory is read.
func IsSpecFile(name string) bool {
	if strings.HasPrefix(name, ".") {
		return false
	}
	// The names that are passed over (those that end in ~, .swp, .tmp,
	// .bak, .dpkg-*, .rpm*) do not end as spec files do.
	return strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".hcl.json")
}

func nameAdvice(name string) string {
	guess := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '_', r == '-':
			return r
		case r == ' ', r == '.':
			return '-'
		default:
			return -1
		}
	}, strings.ToLower(name))
	guess = strings.TrimLeft(guess, "_-")
	const form = "small letters, digits, - and _, at most 63, the first a letter or a digit"
	if appspec.ValidName(guess) {
		return "write " + form + ": app " + appspec.Quote(guess)
	}
	return "write " + form
}
