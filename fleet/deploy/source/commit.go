package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
)

// Commit is what a Repository was resolved to. Unpack is to be given it, or Close to be
// called.
type Commit struct {
	ID      string // the whole object id
	Ref     string // what it was reached by, for messages: branch main, tag v1.2, …
	Time    time.Time
	Author  string
	Subject string

	dir     string   // the bare repository that holds it
	objects *objects // of that, by commands; nil: this git takes none
}

// Close ends what waits for Unpack.
func (c Commit) Close() { c.objects.close() }

// describe reads the commit that was fetched; of a tag, the one that it points to.
func (s *Store) describe(ctx context.Context, r Repository, dir, name string) (Commit, error) {
	// The git that tells is the one that Unpack asks for the files, in a moment.
	o := s.objects(r, dir, true)
	c, err := o.commit(ctx, deployRef+"^{commit}")
	if err != nil {
		o.close()
		c, err = s.log(ctx, r, dir, name) // an older git, or one that says what is wrong
		o = nil
	}
	if err != nil {
		return Commit{}, err
	}
	c.Ref, c.dir, c.objects = name, dir, o
	c.Author, c.Subject = child.Printable(c.Author), child.Printable(c.Subject)
	return c, nil
}

// longestCommit is the most that is read of one, in bytes.
const longestCommit = 1 << 20

// commit reads a commit by commands, and lets git wait for what follows.
func (o *objects) commit(ctx context.Context, name string) (Commit, error) {
	if err := o.begin(context.WithoutCancel(ctx)); err != nil {
		return Commit{}, err
	}
	defer o.within(ctx)()
	if err := o.ask(ctx, contents, []string{name}); err != nil {
		return Commit{}, err
	}
	is, err := o.head(name)
	if err != nil {
		return Commit{}, err
	}
	if is.kind != "commit" || is.size > longestCommit {
		return Commit{}, unlike(name, fmt.Sprintf("%s %d", is.kind, is.size))
	}
	c := Commit{}
	err = o.body(name, is, func(from io.Reader) error {
		text, err := io.ReadAll(from)
		if err == nil {
			c, err = parseCommit(text)
		}
		return err
	})
	c.ID = is.id
	return c, err
}

// parseCommit reads a commit as it is kept. What is in another encoding than UTF-8 is
// left to git log.
func parseCommit(text []byte) (Commit, error) {
	head, message, _ := bytes.Cut(text, []byte("\n\n"))
	var c Commit
	for line := range strings.Lines(string(head)) {
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch field {
		case "encoding":
			return Commit{}, errors.New("it is not in UTF-8")
		case "author":
			name, _, _ := strings.Cut(value, "<")
			c.Author = strings.TrimSpace(name)
		case "committer":
			_, when, _ := strings.Cut(value, "> ")
			seconds, _, _ := strings.Cut(when, " ")
			at, err := strconv.ParseInt(seconds, 10, 64)
			if err != nil {
				return Commit{}, fmt.Errorf("its time is %q", when)
			}
			c.Time = time.Unix(at, 0).UTC()
		}
	}
	subject, _, _ := strings.Cut(strings.TrimLeft(string(message), "\n"), "\n\n")
	c.Subject = strings.Join(strings.FieldsFunc(subject, func(r rune) bool { return r == '\n' }), " ")
	return c, nil
}

// log reads the commit by git log.
func (s *Store) log(ctx context.Context, r Repository, dir, name string) (Commit, error) {
	out, err := s.output(ctx, r, dir, "log", "-1", "--no-show-signature", "--no-color", "--encoding=UTF-8",
		"--format=%H%x00%ct%x00%an%x00%s", deployRef+"^{commit}", "--")
	if err != nil {
		if said(err, "expected commit type", "bad revision", "unknown revision", "ambiguous argument") {
			return Commit{}, fmt.Errorf("%s is not a commit", name)
		}
		return Commit{}, err
	}
	f := strings.SplitN(strings.TrimSuffix(out, "\n"), "\x00", 4)
	if len(f) != 4 || !wholeID(f[0]) {
		return Commit{}, fmt.Errorf("git describes %s as %q", name, out)
	}
	at, _ := strconv.ParseInt(f[1], 10, 64)
	return Commit{ID: f[0], Time: time.Unix(at, 0).UTC(), Author: f[2], Subject: f[3]}, nil
}
