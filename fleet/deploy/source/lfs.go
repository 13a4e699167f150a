package source

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// maxPointer is how long a Git LFS pointer may be (its specification says less
// than 1024 bytes).
const maxPointer = 1023

// pointer stands in a repository for a file that Git LFS keeps elsewhere.
type pointer struct {
	entry entry
	mode  fs.FileMode
	oid   string // SHA-256 of the file
	size  int64
}

var pointerLines = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^version https://(?:git-lfs\.github\.com|hawser\.github\.com)/spec/v1\n(?:ext-.*\n)*oid sha256:([0-9a-f]+)\nsize ([0-9]{1,18})\r?\n?$`)
})

func parsePointer(text string) (pointer, bool) {
	m := pointerLines().FindStringSubmatch(strings.ReplaceAll(text, "\r\n", "\n"))
	if m == nil || len(m[1]) != 64 {
		return pointer{}, false
	}
	n, err := strconv.ParseInt(m[2], 10, 64)
	return pointer{oid: m[1], size: n}, err == nil
}

// large writes what pointers stand for.
func (u *unpacker) large(out *release, pointers []pointer) error {
	first := pointers[0]
	if !u.parts[first.entry.repo].repo.LFS {
		return fmt.Errorf("%s is stored in Git LFS, as are %d more files: write lfs = true (git-lfs has to be installed)", quoted(first.entry.path), len(pointers)-1)
	}
	sum := u.tree.bytes
	for _, p := range pointers {
		if sum += p.size; sum > u.limits.Bytes {
			return fmt.Errorf("including Git LFS files, the tree has more than %s; %s has %s", size(u.limits.Bytes), quoted(p.entry.path), size(p.size))
		}
	}
	fetched := map[int]bool{}
	for _, p := range pointers {
		from := u.parts[p.entry.repo]
		if !fetched[p.entry.repo] {
			elsewhere, err := u.largeURL(from)
			if err != nil {
				return err
			}
			args := []string{"-c", "remote.origin.url=" + from.repo.URL, "-c", "lfs.fetchrecentrefsdays=0", "-c", "lfs.locksverify=false"}
			if elsewhere != "" {
				args = append(args, "-c", "lfs.url="+elsewhere)
			}
			if err := u.store.git(from.repo, from.dir, append(args, "lfs", "fetch", "origin", from.id)...).Run(u.ctx); err != nil {
				if said(err, "'lfs' is not a git command") {
					return errors.New("git-lfs is not installed on this machine, and the spec says lfs = true; install the package git-lfs")
				}
				return fmt.Errorf("cannot fetch Git LFS files: %w", err)
			}
			fetched[p.entry.repo] = true
		}
		if err := u.largeFile(out, from, p); err != nil {
			return err
		}
	}
	u.tree.bytes = sum
	return nil
}

// largeURL is where .lfsconfig of the commit says that its large files are; empty: where the
// repository is. git-lfs reads the file of the branch that is checked out, which nothing is
// here (3.3.0; findings/git-lfs-reads-the-configuration-of-another-commit.sh). What else
// stands in it is for those who work on the files.
func (u *unpacker) largeURL(from *part) (string, error) {
	out, err := u.store.output(u.ctx, from.repo, from.dir, "config", "--no-includes", "--blob", from.id+":.lfsconfig", "--list", "-z")
	if err != nil {
		if said(err, "unable to resolve config blob") {
			return "", nil
		}
		return "", fmt.Errorf("cannot read .lfsconfig: %w", err)
	}
	written := map[string]string{}
	for item := range strings.SplitSeq(out, "\x00") {
		key, value, _ := strings.Cut(item, "\n")
		written[key] = value
	}
	address := cmp.Or(written["lfs.url"], written["remote.origin.lfsurl"])
	if address == "" {
		return "", nil
	}
	how, _, err := parse(address)
	if err != nil {
		return "", fmt.Errorf(".lfsconfig, lfs.url: %w", err)
	}
	if own, _, _ := parse(from.repo.URL); how == file && own != file {
		return "", fmt.Errorf(".lfsconfig, lfs.url: %s is on this machine, and the repository is not", shown(address))
	}
	return address, nil
}

// largeFile copies one file out of LFS's own store. That belongs to the account,
// which may have put anything there: what is copied is proved by its hash.
func (u *unpacker) largeFile(out *release, from *part, p pointer) error {
	root, err := os.OpenRoot(from.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	f, err := root.OpenFile(path.Join("lfs/objects", p.oid[:2], p.oid[2:4], p.oid), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("git-lfs did not fetch %s: %w", quoted(p.entry.path), err)
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() || fi.Size() != p.size {
		return fmt.Errorf("git-lfs did not fetch %s as the repository describes it", quoted(p.entry.path))
	}
	sum := sha256.New()
	if err := u.create(out, p.entry.path, p.mode, p.size, io.TeeReader(io.LimitReader(f, p.size), sum)); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != p.oid {
		return fmt.Errorf("what git-lfs fetched for %s is not what the repository describes", quoted(p.entry.path))
	}
	return nil
}
