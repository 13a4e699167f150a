package fleet

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
)

// Apps that can read each other's secrets are named, those of a user of their own
// and those that are not to run are not.
func TestSharedUsers(t *testing.T) {
	set := &hclspec.Set{Specs: map[string]*appspec.Spec{}}
	add := func(name, user string, enabled bool) {
		s := appspec.Default(name, t.TempDir())
		s.User, s.Enabled = user, enabled
		set.Specs[name] = s
	}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		add(name, "www-data", true)
	}
	add("alone", "daemon", true)
	add("off", "daemon", false)
	add("mail", "mail", true)
	add("mails", "8", true)
	add("lost", "no-such-user", true)
	want := []string{
		"apps a, b, c, d, e and 2 more run as the same user, www-data: each can read the files and secrets of the others; give each a user of its own: user = \"…\"",
		"apps mail, mails run as the same user, mail: each can read the files and secrets of the others; give each a user of its own: user = \"…\"",
	}
	if os.Geteuid() != 0 {
		want = nil // all are ours
	}
	if diff := cmp.Diff(want, sharedUsers(set)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
