package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// Where the spec has got another user, the folders of the deploys before are still the
// first one's: what to do is said before anything is fetched.
func TestDeployOfAnAppThatHasAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: an app of an ordinary user has no other one")
	}
	b := newBench(t)
	b.deploy()
	b.spec.User = "nobody"
	var err error
	if b.owner, err = appdir.ResolveOwner(b.spec, true); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{".", "repository", "releases"} { // as far as it was given already
		_, err := b.deployer().Deploy(t.Context(), t.Context())
		want := "fetch: nobody, the user of the app, cannot write to " + filepath.Join(b.spec.Path, path) + ", which belongs to www-data: give it the app folder with all that is in it: chown -R nobody: " +
			b.spec.Path + "; the running app was not changed"
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if err := os.Chown(filepath.Join(b.spec.Path, path), b.owner.UID, b.owner.GID); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("chown", "-R", "nobody:", b.spec.Path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b.commit("app.py", "VERSION = 2\n")
	b.deploy()
	if entries, err := filepath.Glob(filepath.Join(b.spec.Path, "*", ".deploy.probe")); err != nil || len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}
