package source

import (
	"fmt"
	"slices"
	"strings"
)

// Which commit is meant is decided here, from the spec and from what the server
// says that it has; fetch.go asks.

// wholeID tells whether a text is the id of an object, by SHA-1 or SHA-256.
func wholeID(s string) bool { return (len(s) == 40 || len(s) == 64) && isHex(s) }

// shortID tells whether a text may be the beginning of one, as git takes it.
func shortID(s string) bool { return len(s) >= 4 && len(s) < 64 && isHex(s) }

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// aim is what a fetch asks for first.
type aim struct {
	ref  string // as the server knows it, or an object id
	name string // for people
}

// aimAt is the first thing to ask for: right in nearly all cases, and then the
// only one.
func aimAt(r Repository) aim {
	switch commit := strings.ToLower(r.Commit); {
	case (r.Commit == "" || r.Commit == "HEAD") && r.Branch == "":
		return aim{"HEAD", "HEAD"}
	case r.Commit == "" || r.Commit == "HEAD":
		return aim{"refs/heads/" + r.Branch, "branch " + r.Branch}
	case wholeID(commit):
		return aim{commit, "commit " + commit}
	}
	return aim{"refs/tags/" + r.Commit, "tag " + r.Commit}
}

// refs are the references of a server, by name.
type refs map[string]string

// parseRefs reads the output of git ls-remote.
func parseRefs(s string) refs {
	all := refs{}
	for line := range strings.Lines(s) {
		id, name, ok := strings.Cut(strings.TrimRight(line, "\n"), "\t")
		if ok && wholeID(id) {
			all[name] = id
		}
	}
	return all
}

// tips are the ids that a short one may stand for.
func (all refs) tips(short string) []string {
	var ids []string
	for _, id := range all {
		if strings.HasPrefix(id, short) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// names lists the branches or tags of a server for a message.
func (all refs) names(prefix string) string {
	const most = 12
	var names []string
	for ref := range all {
		if name, ok := strings.CutPrefix(ref, prefix); ok && !strings.HasSuffix(name, "^{}") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) == 0 {
		return "none"
	}
	if n := len(names); n > most {
		names = append(names[:most], fmt.Sprintf("and %d more", n-most))
	}
	return strings.Join(names, ", ")
}

// missing says why the first thing that was asked for is not there.
func missing(r Repository, all refs) error {
	const heads, tags = "refs/heads/", "refs/tags/"
	switch named := r.Commit != "" && r.Commit != "HEAD"; {
	case len(all) == 0:
		return fmt.Errorf("the repository is empty: nothing was pushed to it yet, or what answers at its URL is not a git server")
	case !named && r.Branch == "":
		return fmt.Errorf("the HEAD of the repository names a branch that it does not have: write branch = one of its branches (%s)", all.names(heads))
	case r.Branch != "" && all[heads+r.Branch] == "":
		if all[tags+r.Branch] != "" {
			return fmt.Errorf("the repository has no branch %q, but a tag of that name: write commit = %q", r.Branch, r.Branch)
		}
		return fmt.Errorf("the repository has no branch %q; its branches: %s", r.Branch, all.names(heads))
	case all[heads+r.Commit] != "":
		return fmt.Errorf("the repository has no tag %q, but a branch of that name: write branch = %q", r.Commit, r.Commit)
	}
	return fmt.Errorf("the repository has no tag %q, and that is not an object id; its tags: %s", r.Commit, all.names(tags))
}

// depths are how far back a branch is fetched in search of a commit, one after
// another; the last is all of it.
var depths = []string{"50", "1000", "2147483647"}
