package source

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// walk reads a tree as read does, folder by folder out of the tree objects themselves:
// git need not be started once more to list it. Each level is asked for at once, so that
// no tree grows beyond the limits by more than one of them. refused is what is wrong with
// the tree, err what is with git.
func (t *tree) walk(ctx context.Context, o *objects, spec, below string, repo int, l Limits) (refused, err error) {
	type asked struct{ name, path string }
	from := len(t.entries)
	for level := []asked{{spec, below}}; len(level) > 0; {
		names := make([]string, len(level))
		for i, a := range level {
			names[i] = a.name
		}
		if err := o.ask(ctx, contents, names); err != nil {
			return nil, err
		}
		begun := len(t.entries)
		for _, a := range level {
			is, err := o.head(a.path)
			if err == nil && is.kind != "tree" {
				err = unlike(a.path, "it is a "+is.kind)
			}
			if err != nil {
				return nil, err
			}
			err = o.body(a.path, is, func(r io.Reader) error {
				refused = t.folder(r, len(is.id)/2, a.path, repo, l)
				return refused
			})
			if refused != nil && errors.Is(err, refused) {
				return refused, nil
			}
			if err != nil {
				return nil, err
			}
		}
		level = level[:0]
		for _, e := range t.entries[begun:] {
			if e.kind == folder {
				level = append(level, asked{e.id, e.path})
			}
		}
	}
	return t.measure(ctx, o, from, l)
}

// folder adds what one tree object holds: "MODE NAME\0" and the bytes of an id, again
// and again.
func (t *tree) folder(from io.Reader, idLength int, below string, repo int, l Limits) error {
	r := bufio.NewReaderSize(from, 8<<10) // no name may be longer
	id := make([]byte, idLength)
	for {
		mode, err := r.ReadSlice(' ')
		if errors.Is(err, io.EOF) && len(mode) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the folder %s is damaged: %w", quoted(cmp.Or(below, ".")), err)
		}
		shown := string(mode[:len(mode)-1])
		k, ok := kindOf(shown)
		name, err := r.ReadSlice(0)
		if err == nil {
			name = bytes.Clone(name[:len(name)-1])
			_, err = io.ReadFull(r, id)
		}
		if err != nil {
			return fmt.Errorf("the folder %s is damaged: %w", quoted(cmp.Or(below, ".")), err)
		}
		e := entry{path: string(name), kind: k, id: hex.EncodeToString(id), repo: repo}
		if below != "" {
			e.path = below + "/" + e.path
		}
		if !ok {
			return strangeMode(e.path, shown)
		}
		if err := t.add(e, l); err != nil {
			return err
		}
	}
}

// kindOf is what a mode of a tree object stands for. As git reads it, only whether its
// owner may execute a file counts.
func kindOf(mode string) (kind, bool) {
	n, err := strconv.ParseUint(mode, 8, 32)
	if err != nil {
		return 0, false
	}
	if n&0o170000 == 0o100000 {
		if n&0o100 != 0 {
			return executable, true
		}
		return plain, true
	}
	k, ok := kinds[fmt.Sprintf("%06o", n)]
	return k, ok
}

// measure asks for the sizes of the files and links from an entry on.
func (t *tree) measure(ctx context.Context, o *objects, from int, l Limits) (refused, err error) {
	var of []int
	var ids []string
	for i, e := range t.entries[from:] {
		switch e.kind {
		case plain, executable, link:
			of, ids = append(of, from+i), append(ids, e.id)
		case folder, gitlink:
		}
	}
	if len(of) == 0 {
		return nil, nil
	}
	if err := o.ask(ctx, sizes, ids); err != nil {
		return nil, err
	}
	for _, i := range of {
		e := &t.entries[i]
		is, err := o.head(e.path)
		if err != nil {
			return nil, err
		}
		e.size = is.size
		if err := t.weigh(*e, l); err != nil {
			return err, nil
		}
	}
	return nil, nil
}
