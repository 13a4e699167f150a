package source

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
)

// Repository is what a spec says of where an app's code comes from.
type Repository struct {
	URL    string
	Branch string // empty: the one that the repository's HEAD names
	Commit string // empty or "HEAD": the newest of the branch; else a tag or an object id
	// SSHKey and KnownHosts are absolute paths; empty: what the account's own
	// ~/.ssh holds.
	SSHKey     string
	KnownHosts string
	Submodules bool
	LFS        bool
}

// Store is where the repositories of one app are kept between deploys. Whoever
// uses it holds the app's lock.
type Store struct {
	Dir     string         // made by git as the account; its parent has to be there
	Account *child.Account // nil: this process's own user
	Limits  Limits
}

// Limits bound what a repository may cost; zero is the default.
type Limits struct {
	Files int           // files, folders and links of a release: 200,000
	Bytes int64         // of a release, and of what a fetch brings: 4 GiB
	Time  time.Duration // of Fetch, and of Unpack: 10 minutes
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Files: cmp.Or(l.Files, 200_000),
		Bytes: cmp.Or(l.Bytes, 4<<30),
		Time:  cmp.Or(l.Time, 10*time.Minute),
	}
}

// refName is what git takes as the name of a branch or tag, and a little less.
var refName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[^-/.\x00-\x20\x7f~^:?*\[\\][^\x00-\x20\x7f~^:?*\[\\]*$`)
})

func checkRefName(what, name string) error {
	switch {
	case !refName().MatchString(name), strings.Contains(name, ".."), strings.Contains(name, "@{"),
		strings.Contains(name, "//"), strings.HasSuffix(name, "/"), strings.HasSuffix(name, ".lock"):
		return fmt.Errorf("%s %q is not a name that git knows", what, name)
	}
	return nil
}

// Check tells what is wrong with a repository before anybody is asked.
func (r Repository) Check() error {
	if err := Check(r.URL); err != nil {
		return err
	}
	if r.Branch != "" {
		if strings.HasPrefix(r.Branch, "refs/") {
			return fmt.Errorf("branch %q: write the name without refs/heads/", r.Branch)
		}
		if err := checkRefName("branch", r.Branch); err != nil {
			return err
		}
	}
	if r.Commit != "" && r.Commit != "HEAD" {
		if strings.HasPrefix(r.Commit, "refs/") {
			return fmt.Errorf("commit %q: write the name of the tag without refs/tags/", r.Commit)
		}
		return checkRefName("commit", r.Commit)
	}
	return nil
}

// checkFiles looks at the files that ssh is to read, since its own messages about
// them are easily overlooked.
func (r Repository) checkFiles(a *child.Account) error {
	for what, name := range map[string]string{"ssh_key": r.SSHKey, "known_hosts": r.KnownHosts} {
		if name == "" {
			continue
		}
		if !strings.HasPrefix(name, "/") || strings.ContainsAny(name, "\"\\\n") {
			return fmt.Errorf("%s %q is not an absolute path without quotes and backslashes", what, name)
		}
		fi, err := os.Stat(name)
		open := "chmod a+r " + name
		if what == "ssh_key" {
			open = fmt.Sprintf("chown USER %s && chmod 600 %s", name, name)
		}
		switch {
		case errors.Is(err, os.ErrNotExist) && what == "known_hosts":
			// As an empty one: the error that follows has the line to put there.
		case errors.Is(err, os.ErrNotExist):
			return fmt.Errorf("%s %s is not there", what, name)
		case err != nil && !errors.Is(err, os.ErrPermission):
			return fmt.Errorf("cannot look at %s: %w", what, err)
		case err == nil && !fi.Mode().IsRegular():
			return fmt.Errorf("%s %s is not a file", what, name)
		}
		if why, instead := a.Barred(name, false, open); why != "" {
			return fmt.Errorf("%s %s cannot be read by %s, the user that git runs as: %s: %s", what, name, a, why, instead)
		}
	}
	return nil
}
