package appspec

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/afero"
)

// defaultRoot is where app folders are unless defaults say otherwise.
const defaultRoot = "/var/wsgid"

// Load reads a spec directory: *.hcl and *.hcl.json in lexical order, symlinks
// followed. What is wrong with a file or an app is in the set; the error is for
// the directory itself: missing, not a directory, not readable.
func (o Options) Load(fsys afero.Fs, dir string) (*Set, error) {
	names, err := specFiles(fsys, dir)
	if err != nil {
		return nil, err
	}
	l := newLoader(o, fsys, dir)
	for _, name := range names {
		l.read(filepath.Join(dir, name), false)
	}
	return l.finish(), nil
}

// LoadFiles reads single files, each with the defaults.hcl of its directory, and
// checks them together. Files that cannot be read are faults of the set.
func (o Options) LoadFiles(fsys afero.Fs, files ...string) *Set {
	l := newLoader(o, fsys, "")
	for _, path := range files {
		l.read(filepath.Clean(path), true)
	}
	return l.finish()
}

// specFiles lists the spec files of a directory.
func specFiles(fsys afero.Fs, dir string) ([]string, error) {
	fail := func(why, next string) error {
		return fmt.Errorf("cannot read spec directory %s: %s: %s", dir, why, next)
	}
	info, err := fsys.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fail("no such directory", "make it, or name another with --dir")
	case errors.Is(err, fs.ErrPermission):
		return nil, fail("permission denied", "give this user the permission to read it, or name another with --dir")
	case errors.Is(err, syscall.ELOOP):
		return nil, fail("its symlinks lead in a circle", "mend them, or name another with --dir")
	case err != nil:
		return nil, fail(reason(fsys, dir, err).Error(), "name another with --dir")
	case !info.IsDir():
		return nil, fail("it is a file, not a directory", "name its directory with --dir; validate takes files")
	}
	d, err := fsys.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fail("permission denied", "give this user the permission to read it, or name another with --dir")
	} else if err != nil {
		return nil, fail(reason(fsys, dir, err).Error(), "name another with --dir")
	}
	defer d.Close()
	all, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fail(reason(fsys, dir, err).Error(), "name another with --dir")
	}
	names := slices.DeleteFunc(all, func(name string) bool { return !IsSpecFile(name) })
	sort.Strings(names)
	return names, nil
}

// IsSpecFile tells whether a file of this name in a spec directory is read.
func IsSpecFile(name string) bool {
	if strings.HasPrefix(name, ".") {
		return false
	}
	// The names that the contract passes over (those that end in ~, .swp, .tmp,
	// .bak, .dpkg-*, .rpm*) do not end as spec files do.
	return strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".hcl.json")
}

// loader is one load at work.
type loader struct {
	o        Options
	fsys     afero.Fs
	set      *Set
	text     *renderer
	defaults map[string]*defaultsOf // by directory
	files    []*file
	read1    map[string]bool
	found    map[string][]*candidate // by app
	order    []*candidate
	faults   []located
}

// defaultsOf is what the defaults.hcl of one directory says.
type defaultsOf struct {
	file   *file // nil: there is none
	layer  layer
	broken bool
}

// candidate is an app block on its way.
type candidate struct {
	name  string
	spec  *Spec
	file  *file
	block *hcl.Block
	index int // of the file
	diags hcl.Diagnostics
	warn  hcl.Diagnostics
}

type located struct {
	Fault
	index int // of the file
}

func newLoader(o Options, fsys afero.Fs, dir string) *loader {
	sources := make(map[string][]byte)
	return &loader{
		o: o, fsys: fsys,
		set:      &Set{Dir: dir, Specs: make(map[string]*Spec), Sources: sources},
		text:     &renderer{sources: sources},
		defaults: make(map[string]*defaultsOf),
		read1:    make(map[string]bool),
		found:    make(map[string][]*candidate),
	}
}

// defaultsFor reads the defaults of a directory once.
func (l *loader) defaultsFor(dir string) *defaultsOf {
	if d, ok := l.defaults[dir]; ok {
		return d
	}
	d := &defaultsOf{}
	l.defaults[dir] = d
	path := filepath.Join(dir, defaultsFile)
	// Lstat, as a link that leads nowhere is broken, not absent.
	if _, err := lstat(l.fsys, path); errors.Is(err, fs.ErrNotExist) {
		return d
	}
	d.file = l.o.readSpecFile(l.fsys, path)
	if d.file.defaults != nil && !d.file.diags.HasErrors() {
		dec := &decoder{o: l.o, f: d.file, owner: "defaults", defaults: true}
		dec.body(d.file.defaults.Body, "", 0)
		d.layer = dec.layer
		d.file.diags = append(d.file.diags, dec.diags...)
	}
	d.broken = d.file.diags.HasErrors()
	l.set.DefaultsBroken = l.set.DefaultsBroken || d.broken
	return d
}

func lstat(fsys afero.Fs, path string) (fs.FileInfo, error) {
	if ls, ok := fsys.(afero.Lstater); ok {
		info, _, err := ls.LstatIfPossible(path)
		return info, err
	}
	return fsys.Stat(path)
}

// read takes one file in.
func (l *loader) read(path string, named bool) {
	if l.read1[path] {
		return
	}
	l.read1[path] = true
	defaults := l.defaultsFor(filepath.Dir(path))
	f := defaults.file
	if filepath.Base(path) != defaultsFile || f == nil {
		f = l.o.readSpecFile(l.fsys, path)
	}
	if !named && f.src == nil && f.diags.HasErrors() {
		if _, err := lstat(l.fsys, path); errors.Is(err, fs.ErrNotExist) {
			return // it went while we were reading
		}
	}
	index := len(l.files)
	l.files = append(l.files, f)
	if f.src != nil {
		l.set.Sources[path] = f.src
	}
	if f.diags.HasErrors() {
		l.faults = append(l.faults, located{l.text.fault(f.path, "", f.diags, appNames(f)), index})
		return
	}
	for _, b := range f.apps {
		c := l.app(f, b, defaults)
		c.index = index
		l.order = append(l.order, c)
		if c.name != "" {
			l.found[c.name] = append(l.found[c.name], c)
		}
	}
}

// app decodes one app block.
func (l *loader) app(f *file, b *hcl.Block, defaults *defaultsOf) *candidate {
	c := &candidate{file: f, block: b}
	fault := func(rng hcl.Range, what, instead string) *candidate {
		c.diags = append(c.diags, problem(rng, what, instead))
		return c
	}
	switch {
	case len(b.Labels) == 0:
		return fault(b.TypeRange, "the app has no name", `write: app "blog" { … }`)
	case len(b.Labels) > 1:
		return fault(b.LabelRanges[1], "the app has more than one name", "write: app "+quote(b.Labels[0])+" { … }")
	}
	name := b.Labels[0]
	if !ValidName(name) {
		return fault(b.LabelRanges[0], "an app cannot have the name "+quote(name), nameAdvice(name))
	}
	c.name = name
	dec := &decoder{o: l.o, f: f, owner: "app " + quote(name)}
	dec.body(b.Body, "", 0)
	dec.numbers()
	c.diags = append(c.diags, dec.diags...)
	if c.diags.HasErrors() {
		return c
	}
	root := defaultRoot
	if defaults.layer.root != "" {
		root = defaults.layer.root
	}
	s := Default(name, filepath.Join(root, name))
	s.File = f.path
	defaults.layer.apply(s)
	dec.layer.apply(s)
	s.Path = filepath.Clean(s.Path)
	c.spec = s
	check := &checker{o: l.o, fsys: l.fsys, spec: s, whole: b.DefRange}
	check.check()
	c.diags = append(c.diags, check.diags...)
	c.warn = check.warned
	return c
}

// finish checks the apps against each other and sorts the faults.
func (l *loader) finish() *Set {
	for name, all := range l.found {
		for i, c := range all {
			if len(all) < 2 {
				break
			}
			other := all[0].block.LabelRanges[0]
			if i == 0 {
				other = all[1].block.LabelRanges[0]
			}
			c.diags = append(c.diags, problem(c.block.LabelRanges[0], "app "+quote(name)+" stands twice", "the other is "+other.Filename+":"+itoa(other.Start.Line)+": rename or remove one; until then the app keeps running as it is"))
		}
	}
	var good []*Spec
	bySpec := make(map[*Spec]*candidate)
	for _, c := range l.order {
		if c.spec != nil && !c.diags.HasErrors() {
			good = append(good, c.spec)
			bySpec[c.spec] = c
		}
	}
	whole := func(s *Spec) hcl.Range { return bySpec[s].block.DefRange }
	for _, found := range clashes(l.fsys, good) {
		c := bySpec[found.spec]
		c.diags = append(c.diags, found.diagnostic(whole))
	}
	for dir, d := range l.defaults {
		// Files of this directory were read, its broken defaults were not among them.
		if d.broken && !l.read1[filepath.Join(dir, defaultsFile)] {
			l.set.Sources[d.file.path] = d.file.src
			l.faults = append(l.faults, located{l.text.fault(d.file.path, "", d.file.diags, nil), -1})
		}
	}
	for _, c := range l.order {
		switch {
		case c.diags.HasErrors():
			l.faults = append(l.faults, located{l.text.fault(c.file.path, c.name, c.diags, nil), c.index})
		case l.set.DefaultsBroken && l.defaultsFor(filepath.Dir(c.file.path)).broken:
			// Without its defaults the app is not what it should be.
		default:
			l.set.Specs[c.name] = c.spec
			l.set.Warnings = append(l.set.Warnings, c.warn...)
		}
	}
	slices.SortStableFunc(l.faults, func(a, b located) int { return a.index - b.index })
	for _, f := range l.faults {
		l.set.Faults = append(l.set.Faults, f.Fault)
	}
	return l.set
}

// ValidName tells whether an app can have the name.
func ValidName(name string) bool {
	if name == "" || len(name) > 63 {
		return false
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && (i == 0 || c != '_' && c != '-') {
			return false
		}
	}
	return true
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
	if ValidName(guess) {
		return "write " + form + ": app " + quote(guess)
	}
	return "write " + form
}
