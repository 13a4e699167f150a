package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
)

// deployRef keeps what was fetched last. It has no name of the server's in it, so
// that a branch rel that became rel/1 is in nobody's way.
const deployRef = "refs/wsgid/deploy"

// Fetch finds out which commit a repository means and brings it here. Only the
// first call for a URL, and what changed since, costs.
func (s *Store) Fetch(ctx context.Context, r Repository) (Commit, error) {
	c, err := s.fetchOne(ctx, r)
	if err == nil {
		s.tidy(ctx, r, c.dir)
	}
	return c, err
}

func (s *Store) fetchOne(ctx context.Context, r Repository) (Commit, error) {
	fail := func(err error) (Commit, error) {
		return Commit{}, fmt.Errorf("cannot fetch %s: %w", shown(r.URL), err)
	}
	if err := errors.Join(r.Check(), s.Account.Check()); err != nil {
		return Commit{}, err
	}
	if err := r.checkFiles(s.Account); err != nil {
		return fail(err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.Limits.withDefaults().Time)
	defer cancel()
	c, err := s.fetch(ctx, r, "")
	format := serverFormat(err)
	if err != nil && ctx.Err() == nil && (format != "" || said(err, broken...)) {
		// What is kept is only a copy.
		if err := s.shell(ctx, "rm", "-rf", "--", s.dir(r.URL)); err != nil {
			return fail(err)
		}
		c, err = s.fetch(ctx, r, format)
	}
	if err != nil {
		return fail(s.explain(ctx, r, err))
	}
	return c, nil
}

// broken is what git says of a repository of ours that a crash has left.
var broken = []string{"not a git repository", "is corrupt", "bad object refs/", "bad config", "unable to read",
	"did not send all necessary objects", "loose object", "invalid object", "does not point to a valid object",
	"missing blob", "missing tree", "unresolved deltas", ".lock': File exists", "shallow file has changed", "bad shallow line", "reference broken", "unable to resolve reference"}

// mismatch is what git says where a repository of ours names objects by another hash than
// the server's: a clone takes the server's, a fetch does not
// (findings/git-fetch-does-not-take-the-hash.sh).
var mismatch = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`mismatched algorithms: client \w+; server (sha1|sha256)`)
})

// serverFormat is the server's hash where that is why a fetch failed; empty: it is not.
func serverFormat(err error) string {
	if e, ok := errors.AsType[*child.Error](err); ok {
		if m := mismatch().FindStringSubmatch(e.Output); m != nil {
			return m[1]
		}
	}
	return ""
}

func (s *Store) fetch(ctx context.Context, r Repository, format string) (Commit, error) {
	dir, err := s.prepare(ctx, r, format)
	if err != nil {
		return Commit{}, err
	}
	to := aimAt(r)
	err = s.bring(ctx, r, dir, "1", "+"+to.ref+":"+deployRef)
	switch {
	case err == nil:
	case wholeID(to.ref):
		// Refused, since no reference points to it, or not there at all.
		if !said(err, "unadvertised object", "not our ref", "unable to find", "Cannot obtain needed object", "no such remote ref", "find remote ref") {
			return Commit{}, err
		}
		err = s.search(ctx, r, dir, to.ref)
	case said(err, "find remote ref"):
		to, err = s.look(ctx, r, dir)
	}
	if err != nil {
		return Commit{}, err
	}
	return s.describe(ctx, r, dir, to.name)
}

// look asks the server what it has: what was asked for first it has not.
func (s *Store) look(ctx context.Context, r Repository, dir string) (aim, error) {
	out, err := s.output(ctx, r, dir, "ls-remote", "-q", "--", r.URL)
	if err != nil {
		return aim{}, err
	}
	all := parseRefs(out)
	short := strings.ToLower(r.Commit)
	if !shortID(short) || len(all) == 0 || r.Branch != "" && all["refs/heads/"+r.Branch] == "" {
		return aim{}, missing(r, all)
	}
	found := aim{short, "commit " + short}
	if tips := all.tips(short); len(tips) == 1 {
		return found, s.bring(ctx, r, dir, "1", "+"+tips[0]+":"+deployRef)
	}
	return found, s.search(ctx, r, dir, short)
}

// search fetches the branch, or all of them, further and further back until a
// commit is among them.
func (s *Store) search(ctx context.Context, r Repository, dir, id string) error {
	from := []string{"+refs/heads/" + r.Branch + ":refs/wsgid/branch"}
	if r.Branch == "" {
		from = []string{"+refs/heads/*:refs/wsgid/heads/*", "+refs/tags/*:refs/wsgid/tags/*"}
	}
	for _, depth := range depths {
		if err := s.bring(ctx, r, dir, depth, from...); err != nil {
			if said(err, "find remote ref") {
				_, err = s.look(ctx, r, dir)
			}
			return err
		}
		out, err := s.output(ctx, r, dir, "rev-parse", "--verify", id+"^{commit}")
		if said(err, "is ambiguous") {
			return fmt.Errorf("several commits begin with %s: write more digits", id)
		}
		if err == nil {
			return s.git(r, dir, "update-ref", deployRef, strings.TrimSpace(out)).Run(ctx)
		}
	}
	if r.Branch == "" {
		return fmt.Errorf("no branch and no tag has a commit %s; was it pushed?%s", id, whereShallow(r))
	}
	return fmt.Errorf("branch %s has no commit %s, and the server does not serve commits by id alone; was it pushed, and to this branch?%s", r.Branch, id, whereShallow(r))
}

// bring fetches references, so far back; or all of them, where the server is one of plain
// files, of which git fetches no part (2.39.5; findings/git-fetch-of-plain-files-takes-no-depth.sh).
func (s *Store) bring(ctx context.Context, r Repository, dir, depth string, refspecs ...string) error {
	err := s.bringSome(ctx, r, dir, []string{"--depth", depth}, refspecs)
	if said(err, "dumb http transport does not support shallow") {
		err = s.bringSome(ctx, r, dir, nil, refspecs)
	}
	return err
}

// bringSome fetches references. --prune makes way where a branch became a folder of
// branches.
func (s *Store) bringSome(ctx context.Context, r Repository, dir string, depth, refspecs []string) error {
	args := append([]string{"fetch", "-q", "--no-progress", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--prune"}, depth...)
	if how, _, _ := parse(r.URL); how == file {
		// Git has a shell start this; which need not stay until it has ended.
		args = append(args, "--upload-pack=exec git-upload-pack")
	}
	args = append(args, "--", r.URL)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	most := s.Limits.withDefaults().Bytes
	stop := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		before := stored(dir)
		for {
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Millisecond):
			}
			if stored(dir)-before > most {
				cancel(fmt.Errorf("it is larger than %s", size(most)))
				return
			}
		}
	}()
	err := s.git(r, dir, append(args, refspecs...)...).Run(ctx)
	close(stop)
	<-watched
	return err
}

// stored is how much the objects of a repository take on disk, in packs or, from a server of
// plain files, each in a file of its own; what cannot be looked at counts nothing.
func stored(dir string) int64 {
	var sum int64
	_ = filepath.WalkDir(filepath.Join(dir, "objects"), func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // it goes on beside it
		}
		if fi, err := e.Info(); err == nil && fi.Mode().IsRegular() {
			sum += fi.Size()
		}
		return nil
	})
	return sum
}

func size(n int64) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	if n < 1<<20 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

var unsafe = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[^A-Za-z0-9._-]+`) })

// dir is where the repository of a URL is kept.
func (s *Store) dir(repository string) string {
	sum := sha256.Sum256([]byte(repository))
	name := unsafe().ReplaceAllString(strings.TrimSuffix(path.Base(repository), ".git"), "-")
	return filepath.Join(s.Dir, strings.TrimLeft(name[:min(len(name), 40)], ".-")+"-"+hex.EncodeToString(sum[:6])+".git")
}

// isKept tells whether a name is one that dir gives.
func isKept(name string) bool {
	stem, isGit := strings.CutSuffix(name, ".git")
	sum, err := hex.DecodeString(stem[strings.LastIndexByte(stem, '-')+1:])
	return isGit && err == nil && len(sum) == 6
}

// prepare makes the bare repository, with a hash where one is asked for, or takes out of
// it what a killed git left.
// All of that is the account's work: the folder is its own, and may hold anything.
func (s *Store) prepare(ctx context.Context, r Repository, format string) (string, error) {
	dir := s.dir(r.URL)
	if _, err := os.Stat(filepath.Join(dir, "config")); err == nil {
		if !leftBehind(dir) {
			return dir, nil
		}
		find := &child.Command{Account: s.Account, Quick: true,
			Args: []string{"find", dir, "-type", "f", "(", "-name", "*.lock", "-o", "-name", "tmp_*", ")", "-delete"}}
		return dir, find.Run(ctx)
	}
	init := &child.Command{Account: s.Account, Env: s.environ(Repository{}, ""),
		Args: []string{"git", "-c", "init.defaultBranch=main", "init", "-q", "--bare", "--template="}}
	if format != "" {
		init.Args = append(init.Args, "--object-format="+format)
	}
	init.Args = append(init.Args, "--", dir)
	if err := init.Run(ctx); err != nil {
		return "", err
	}
	if how, _, _ := parse(r.URL); how == file {
		return dir, s.shell(ctx, "git", "config", "-f", filepath.Join(dir, trustFile), "safe.directory", "*")
	}
	return dir, nil
}

func (s *Store) shell(ctx context.Context, args ...string) error {
	return (&child.Command{Account: s.Account, Args: args, Env: s.environ(Repository{}, "")}).Run(ctx)
}

// tidy keeps what is kept small: each fetch that brings something adds a pack.
func (s *Store) tidy(ctx context.Context, r Repository, dir string) {
	packs, _ := filepath.Glob(filepath.Join(dir, "objects", "pack", "*.pack"))
	if len(packs) > 30 {
		_ = s.git(r, dir, "gc", "-q", "--prune=now").Run(ctx)
	}
}
