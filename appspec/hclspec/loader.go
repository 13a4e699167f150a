package hclspec

import (
	"errors"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// loader is one load at work.
type loader struct {
	o        Options
	fsys     afero.Fs
	set      *Set
	text     *renderer
	defaults map[string]*defaultsOf  // by directory
	done     map[string]bool         // files
	found    map[string][]*candidate // by app
	order    []*candidate
	faults   []located
	accounts *accounts

	candidates []candidate // room for those of order
}

// defaultsOf is what the defaults.hcl of one directory says.
type defaultsOf struct {
	entry  *entry // nil: there is none
	broken bool
}

// layer is the defaults block; nil where there is none.
func (d *defaultsOf) layer() *layer {
	if d.entry == nil || d.broken {
		return nil
	}
	return d.entry.layer
}

// candidate is an app block on its way.
type candidate struct {
	name  string
	env   string // of an environment: its name
	spec  *appspec.Spec
	path  string    // of the file
	label hcl.Range // where the name stands
	whole hcl.Range // where the block starts
	index int       // of the file
	diags hcl.Diagnostics
	warn  hcl.Diagnostics

	family  hcl.Range // where the name of the app block stands, of an app with environments and of each of those
	above   []*layer  // of an environment: what it lies on
	members []string  // of the app with environments itself: the apps that they become
}

// located is a fault with the index of its file.
type located struct {
	Fault
	index int
}

func newLoader(o Options, fsys afero.Fs, dir string) *loader {
	sources := make(map[string][]byte)
	o.counted = sync.OnceValue(hostCPUs)
	return &loader{
		o: o, fsys: fsys,
		set:      &Set{Dir: dir, Specs: make(map[string]*appspec.Spec), Sources: sources},
		text:     &renderer{sources: sources},
		defaults: make(map[string]*defaultsOf),
		done:     make(map[string]bool),
		found:    make(map[string][]*candidate),
		accounts: newAccounts(o),
	}
}

// expect makes room for so many files.
func (l *loader) expect(n int) {
	l.set.Specs, l.set.Sources = make(map[string]*appspec.Spec, n), make(map[string][]byte, n)
	l.text.sources = l.set.Sources
	l.done, l.found = make(map[string]bool, n), make(map[string][]*candidate, n)
	l.order, l.candidates = make([]*candidate, 0, n), make([]candidate, 0, n)
}

// parsed is a file with its defaults block, without its apps.
func (l *loader) parsed(path string) *entry {
	e := &entry{stamp: stampOf(l.fsys, path), host: l.o.key()}
	o := l.o
	o.asked = &e.asked
	e.file = o.readSpecFile(l.fsys, path)
	if b := e.file.defaults; b != nil && !e.file.diags.HasErrors() {
		dec := &decoder{o: o, f: e.file, owner: "defaults", defaults: true}
		dec.body(b.Body, "", 0)
		dec.numbers()
		e.layer = &dec.layer
		e.layer.under = true
		e.file.diags = append(e.file.diags, dec.diags...)
	}
	e.src, e.diags = e.file.src, e.file.diags
	if e.src == nil {
		e.stamp.sure = false // a disk that fails now may be read later, and the file look the same
	}
	if e.diags.HasErrors() {
		e.apps = appNames(e.file)
	}
	return e
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
	if d.entry = l.o.Cache.get(l.o, l.fsys, path, nil); d.entry == nil {
		d.entry = l.parsed(path)
	}
	d.broken = d.entry.diags.HasErrors()
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

// entry is what a file says, over the defaults of its directory. now is what it looks like;
// nil: it is looked at.
func (l *loader) entry(path string, defaults *defaultsOf, now *stamp) *entry {
	under := defaults.layer()
	var e *entry
	if filepath.Base(path) == defaultsFile && defaults.entry != nil {
		e = defaults.entry
	} else if e = l.o.Cache.get(l.o, l.fsys, path, now); e == nil || e.under != under {
		e = l.parsed(path)
	}
	if e.file == nil { // it was read by an earlier load
		return e
	}
	o := l.o
	o.asked, o.files = &e.asked, l.fsys
	e.under = under
	if !e.diags.HasErrors() {
		if e.file.gate != nil {
			e.candidates = append(e.candidates, o.gate(e.file, e.file.gate))
		}
		for _, b := range e.file.apps {
			e.candidates = append(e.candidates, o.app(e.file, b, under)...)
		}
	}
	e.file = nil
	l.o.Cache.put(path, e)
	return e
}

// prefetchFrom is from how many files on it pays to read several at a time.
const prefetchFrom = 16

// prefetch reads and evaluates the files of a directory, on all processors where there are
// enough. What needs their order, and what the apps are checked for together, follows in
// read and finish.
func (l *loader) prefetch(look *Look) []*entry {
	entries := make([]*entry, len(look.paths))
	width := 1
	if len(entries) >= prefetchFrom {
		width = runtime.GOMAXPROCS(0)
	}
	defaults := l.defaultsFor(look.dir)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range width {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(entries)); i = next.Add(1) - 1 {
				entries[i] = l.entry(look.paths[i], defaults, &look.stamps[i])
			}
		})
	}
	wg.Wait()
	return entries
}

// read takes one file in; e is what it says, nil: it is read. named: it was asked for by
// its name.
func (l *loader) read(path string, e *entry, named bool) {
	if l.done[path] {
		return
	}
	if e == nil {
		e = l.entry(path, l.defaultsFor(filepath.Dir(path)), nil)
	}
	if !named && e.src == nil && e.diags.HasErrors() {
		if _, err := lstat(l.fsys, path); errors.Is(err, fs.ErrNotExist) {
			return // it went while we were reading
		}
	}
	index := len(l.done)
	l.done[path] = true
	if e.src != nil {
		l.set.Sources[path] = e.src
	}
	for name := range e.asked.files {
		l.set.Reads = append(l.set.Reads, name)
	}
	if e.diags.HasErrors() {
		l.faults = append(l.faults, located{l.text.fault(path, "", slices.Clone(e.diags), e.apps), index})
		return
	}
	l.set.Warnings = append(append(l.set.Warnings, heredocs(path, e.src)...), dollars(path, e.src)...)
	if len(e.candidates) == 0 && filepath.Base(path) != defaultsFile {
		l.set.Empty = append(l.set.Empty, path)
	}
	for _, c := range e.candidates {
		c = l.again(c)
		c.index = index
		if c.spec != nil && c.spec.Gate == nil && !l.o.Elsewhere {
			c.diags = append(c.diags, pythonProblems(l.fsys, c.spec, c.whole)...)
			c.diags = append(c.diags, l.accounts.problems(c.spec, c.whole)...)
			c.deployFiles(l.fsys, l.o.Unreadable)
			c.staticFolders(l.fsys)
		}
		l.order = append(l.order, c)
		if c.name == "" {
			continue
		}
		if all := l.found[c.name]; all != nil {
			l.found[c.name] = append(all, c)
		} else {
			n := len(l.order)
			l.found[c.name] = l.order[n-1 : n : n]
		}
	}
}

// app decodes one app block and lays it over the defaults. An app with
// environments comes first, without a spec, then they.
func (o Options) app(f *file, b *hcl.Block, under *layer) []*candidate {
	c := &candidate{path: f.path, whole: b.DefRange}
	fault := func(rng hcl.Range, what, instead string) []*candidate {
		c.diags = append(c.diags, explain.Problem(rng, what, instead))
		return []*candidate{c}
	}
	switch {
	case len(b.Labels) == 0:
		return fault(b.TypeRange, "the app has no name", `write: app "blog" { … }`)
	case len(b.Labels) > 1:
		return fault(b.LabelRanges[1], "the app has more than one name", "write: app "+appspec.Quote(b.Labels[0])+" { … }")
	}
	name := b.Labels[0]
	if !appspec.ValidName(name) {
		return fault(b.LabelRanges[0], "an app cannot have the name "+appspec.Quote(name), nameAdvice(name))
	}
	c.name, c.label = name, b.LabelRanges[0]
	dec := &decoder{o: o, f: f, owner: "app " + appspec.Quote(name)}
	dec.body(b.Body, "", 0)
	dec.numbers()
	c.diags = append(c.diags, dec.diags...)
	if len(dec.environments) > 0 {
		return o.family(c, dec, under)
	}
	if !c.diags.HasErrors() {
		o.resolve(c, "", under, &dec.layer)
	}
	return []*candidate{c}
}

// resolve makes the spec of an app from its layers, the lowest first, and checks
// it.
func (o Options) resolve(c *candidate, environment string, layers ...*layer) {
	root := defaultRoot
	if under := layers[0]; under != nil && under.root != "" {
		root = under.root
	}
	s := appspec.Default(c.name, filepath.Join(root, c.name))
	s.File, s.Environment = c.path, environment
	for _, l := range layers {
		if l != nil {
			l.apply(s)
		}
	}
	s.Path = filepath.Clean(s.Path)
	withoutInherited(s)
	check := &checker{o: o, spec: s, whole: c.whole}
	check.check()
	c.spec, c.warn = s, check.warned
	c.diags = append(c.diags, check.diags...)
}
