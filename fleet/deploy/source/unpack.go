package source

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
)

// Unpacked is what a release was made of.
type Unpacked struct {
	Files int
	Bytes int64
	// Skipped are the submodules that the spec does not ask for; their folders
	// are empty.
	Skipped []string
	// Encrypted are files that git-crypt has encrypted; they are written as git has them.
	Encrypted []string
}

// Unpack writes what a commit has in a folder (empty: all of it) to a new folder
// of releases. What is there after an error, Remove removes.
func (s *Store) Unpack(ctx context.Context, r Repository, c Commit, directory string, releases *os.Root, id string) (Unpacked, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Limits.withDefaults().Time)
	defer cancel()
	u := &unpacker{store: s, limits: s.Limits.withDefaults(), ctx: ctx}
	defer c.Close()
	defer u.close()
	done, err := u.unpack(r, c, directory, releases, id)
	if err != nil {
		return Unpacked{}, fmt.Errorf("cannot unpack %s of %s: %w", c.Ref, shown(r.URL), err)
	}
	return done, nil
}

type unpacker struct {
	store  *Store
	limits Limits
	ctx    context.Context //nolint:containedctx // lives as long as one Unpack
	parts  []*part
	tree   tree
	skip   []string
	sealed []string
}

// part is one of the repositories that make up a release.
type part struct {
	repo    Repository
	dir     string
	id      string
	below   string // the folder of the release
	objects *objects
}

func (u *unpacker) close() {
	for _, p := range u.parts {
		p.objects.close()
	}
}

func (u *unpacker) unpack(r Repository, c Commit, directory string, releases *os.Root, id string) (Unpacked, error) {
	if strings.Contains(id, "/") || !filepath.IsLocal(id) || id == "." {
		return Unpacked{}, fmt.Errorf("%q is not a name for a release", id)
	}
	if err := errors.Join(u.store.Account.Check(), r.Check()); err != nil {
		return Unpacked{}, err
	}
	if err := u.list(r, c, directory); err != nil {
		return Unpacked{}, err
	}
	if err := u.tree.check(); err != nil {
		return Unpacked{}, err
	}
	if err := u.room(releases); err != nil {
		return Unpacked{}, err
	}
	var folders []string
	var files, symlinks []entry
	for _, e := range u.tree.entries {
		switch e.kind {
		case link:
			symlinks = append(symlinks, e)
		case folder:
			folders = append(folders, e.path)
		case plain, executable:
			files = append(files, e)
		case gitlink: // submodules has made folders of them
		}
	}
	targets, err := u.readLinks(symlinks)
	if err != nil {
		return Unpacked{}, err
	}
	if err := targets.check(); err != nil {
		return Unpacked{}, err
	}
	out, err := makeRelease(releases, id, u.store.Account, len(u.tree.entries))
	if err != nil {
		return Unpacked{}, err
	}
	defer out.close()
	for _, name := range folders {
		if err := out.mkdir(name); err != nil {
			return Unpacked{}, err
		}
	}
	if err := u.write(out, files); err != nil {
		return Unpacked{}, err
	}
	// Last, so that nothing can be written through them.
	for _, e := range symlinks {
		if err := out.symlink(e.path, targets[e.path]); err != nil {
			return Unpacked{}, err
		}
	}
	if err := out.done(folders); err != nil {
		return Unpacked{}, err
	}
	u.forget()
	return Unpacked{Files: len(files), Bytes: u.tree.bytes, Skipped: u.skip, Encrypted: u.sealed}, nil
}

// forget removes the repositories of other URLs, those that the app was deployed from before:
// they are copies, and nobody else would.
func (u *unpacker) forget() {
	needed := map[string]bool{}
	for _, p := range u.parts {
		needed[filepath.Base(p.dir)] = true
	}
	root, err := os.OpenRoot(u.store.Dir)
	if err != nil {
		return
	}
	defer root.Close()
	args := []string{"rm", "-rf", "--"}
	kept, _ := list(root, ".", mostLooked)
	for _, e := range kept {
		if isKept(e.Name()) && !needed[e.Name()] {
			args = append(args, filepath.Join(u.store.Dir, e.Name()))
		}
	}
	if len(args) > 3 {
		_ = u.store.shell(u.ctx, args...) // they are in nobody's way
	}
}

// list reads the tree, and those of submodules.
func (u *unpacker) list(r Repository, c Commit, directory string) error {
	spec := c.ID
	if directory = strings.Trim(directory, "/"); directory != "" && directory != "." {
		directory = path.Clean(directory)
		if err := checkPath(directory); err != nil {
			return fmt.Errorf("directory: %w", err)
		}
		spec += ":" + directory
	} else {
		directory = ""
	}
	p := u.part(r, c, "")
	if err := u.add(p, spec, 0); err != nil {
		if directory != "" && said(err, "Not a valid object name", "not a tree object", "does not exist in") {
			var all tree
			_ = u.read(&all, p, c.ID, false)
			return fmt.Errorf("directory %q is not a folder of the repository; at its top it has: %s", directory, all.top())
		}
		return err
	}
	return nil
}

func (u *unpacker) part(r Repository, c Commit, below string) *part {
	dir, o := cmp.Or(c.dir, u.store.dir(r.URL)), c.objects
	if o == nil {
		o = u.store.objects(r, dir, false)
	}
	return &part{repo: r, dir: dir, id: c.ID, below: below, objects: o}
}

// add reads one repository's tree. What of submodules is asked for comes with it.
func (u *unpacker) add(p *part, spec string, depth int) error {
	u.parts = append(u.parts, p)
	from := len(u.tree.entries)
	if err := u.entries(p, spec); err != nil {
		return err
	}
	var modules []entry
	for i := from; i < len(u.tree.entries); i++ {
		if e := &u.tree.entries[i]; e.kind == gitlink {
			e.kind = folder // as a checkout has it
			modules = append(modules, *e)
		}
	}
	if len(modules) == 0 {
		return nil
	}
	if !p.repo.Submodules {
		for _, e := range modules {
			u.skip = append(u.skip, e.path)
		}
		return nil
	}
	if depth >= 8 {
		return errors.New("submodules are nested more than 8 deep")
	}
	_, inside, _ := strings.Cut(spec, ":")
	return u.submodules(p, inside, modules, depth)
}

// entries reads the tree of a part, by the git that is there to read its files from if
// that takes commands, else by git ls-tree, which also says what is wrong.
func (u *unpacker) entries(p *part, spec string) error {
	if p.objects.commands && !strings.ContainsAny(spec, "\r\n") { // which end a command
		p.objects.within(u.ctx)
		from, bytes := len(u.tree.entries), u.tree.bytes
		top := spec
		if !strings.Contains(spec, ":") {
			top += "^{tree}"
		}
		refused, err := u.tree.walk(u.ctx, p.objects, top, p.below, len(u.parts)-1, u.limits)
		if err == nil || refused != nil {
			return refused
		}
		p.objects.close()
		u.tree.entries, u.tree.bytes = u.tree.entries[:from], bytes
	}
	if p.objects.commands {
		p.objects = u.store.objects(p.repo, p.dir, false)
	}
	if err := p.objects.begin(u.ctx); err != nil { // beside the one that lists the tree
		return err
	}
	return u.read(&u.tree, p, spec, true)
}

// read runs git ls-tree.
func (u *unpacker) read(t *tree, p *part, spec string, recurse bool) error {
	args := []string{"ls-tree", "-z", "-l", "--full-tree"}
	if recurse {
		args = append(args, "-r", "-t")
	}
	c := u.store.git(p.repo, p.dir, append(args, spec)...)
	ctx, cancel := context.WithCancel(u.ctx)
	defer cancel()
	cmd, tail, err := c.Prepare(ctx)
	if err != nil {
		return err
	}
	cmd.Stdout = nil
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(ctx, cmd); err != nil {
		return c.Failure(ctx, err, tail)
	}
	refused := t.read(out, p.below, len(u.parts)-1, u.limits)
	if refused != nil {
		cancel()
		_ = cmd.Wait()
		if u.ctx.Err() != nil {
			return c.Failure(u.ctx, u.ctx.Err(), tail)
		}
		return refused
	}
	return c.Failure(u.ctx, cmd.Wait(), tail)
}

// room refuses what the disk cannot hold, before any of it is written.
func (u *unpacker) room(releases *os.Root) error {
	f, err := releases.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("cannot look at the disk of %s: %w", releases.Name(), err)
	}
	if free := int64(st.Bavail) * st.Bsize; u.tree.bytes > free {
		return fmt.Errorf("the disk of %s is too full: the release has %s, and %s are free", releases.Name(), size(u.tree.bytes), size(free))
	}
	if st.Files > 0 && uint64(len(u.tree.entries)) > st.Ffree {
		return fmt.Errorf("the disk of %s is too full: the release has %d files and folders, and there is room for %d", releases.Name(), len(u.tree.entries), st.Ffree)
	}
	return nil
}

// each reads files, repository by repository and folder by folder.
func (u *unpacker) each(files []entry, take func(entry, io.Reader) error) error {
	slices.SortStableFunc(files, func(a, b entry) int {
		if n := a.repo - b.repo; n != 0 {
			return n
		}
		return strings.Compare(path.Dir(a.path), path.Dir(b.path))
	})
	for len(files) > 0 {
		n := slices.IndexFunc(files, func(e entry) bool { return e.repo != files[0].repo })
		if n < 0 {
			n = len(files)
		}
		b := u.parts[files[0].repo].objects
		ids := make([]string, n)
		for i, e := range files[:n] {
			ids[i] = e.id
		}
		if err := b.ask(u.ctx, contents, ids); err != nil {
			return err
		}
		for _, e := range files[:n] {
			if err := b.next(e, func(r io.Reader) error { return take(e, r) }); err != nil {
				return err
			}
		}
		files = files[n:]
	}
	return nil
}

func (u *unpacker) readLinks(symlinks []entry) (links, error) {
	for _, e := range symlinks {
		if e.size > 4095 {
			return nil, fmt.Errorf("the symbolic link %s is longer than a path may be", quoted(e.path))
		}
	}
	targets := links{}
	return targets, u.each(symlinks, func(e entry, r io.Reader) error {
		target, err := io.ReadAll(r)
		targets[e.path] = string(target)
		return err
	})
}

func (u *unpacker) write(out *release, files []entry) error {
	var large []pointer
	err := u.each(files, func(e entry, r io.Reader) error {
		mode := fs.FileMode(0o644)
		if e.kind == executable {
			mode = 0o755
		}
		if e.size <= maxPointer {
			text, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			if p, ok := parsePointer(string(text)); ok {
				p.entry, p.mode = e, mode
				large = append(large, p)
				return nil
			}
			u.seal(e, text)
			return u.create(out, e.path, mode, e.size, bytes.NewReader(text))
		}
		var first beginning
		err := u.create(out, e.path, mode, e.size, io.TeeReader(r, &first))
		u.seal(e, first)
		return err
	})
	if err != nil || len(large) == 0 {
		return err
	}
	return u.large(out, large)
}

func (u *unpacker) create(out *release, name string, mode fs.FileMode, size int64, from io.Reader) error {
	err := out.create(name, mode, func(f *os.File) error {
		_, err := io.Copy(f, from)
		return err
	})
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		err = fmt.Errorf("the disk is full: %w", err)
	}
	if err != nil {
		return fmt.Errorf("cannot write %s (%d bytes): %w", quoted(name), size, err)
	}
	return nil
}
