package deploy

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

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
}

// Whether a user may change the folders the kernel says, of modes and of lists of rights alike;
// and nothing is written to find it out.
func TestMayChangeWritesNothing(t *testing.T) {
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
	nobody, releases := account{owner: b.owner}, filepath.Join(b.spec.Path, "releases")
	names := []string{"", "repository", "releases", "venvs", "shared"}
	times := func() (out []syscall.Timespec) {
		for _, name := range names {
			var st syscall.Stat_t
			if err := syscall.Stat(filepath.Join(b.spec.Path, name), &st); err != nil {
				t.Fatal(err)
			}
			out = append(out, st.Mtim, st.Ctim)
		}
		return out
	}
	may := func(what string, want bool) {
		t.Helper()
		before := times()
		if err := nobody.mayChange(b.spec.Path); (err == nil) != want {
			t.Errorf("%s: %v", what, err)
		}
		if !slices.Equal(before, times()) {
			t.Errorf("%s: a folder was changed", what)
		}
	}
	may("of another user", false)
	for _, name := range names {
		if err := os.Chmod(filepath.Join(b.spec.Path, name), 0o777); err != nil { //nolint:gosec // for all, that is the point
			t.Fatal(err)
		}
	}
	may("of all users", true)
	if err := os.Chmod(releases, 0o755); err != nil { //nolint:gosec // as it is made
		t.Fatal(err)
	}
	may("but for one of them", false)
	// POSIX.1e as the kernel has it: for the owner, for nobody, the group, the mask and others.
	list := []byte{2, 0, 0, 0}
	for _, e := range []struct {
		tag, rights uint16
		id          uint32
	}{{1, 7, ^uint32(0)}, {2, 7, uint32(b.owner.UID)}, {4, 5, ^uint32(0)}, {0x10, 7, ^uint32(0)}, {0x20, 5, ^uint32(0)}} {
		list = binary.LittleEndian.AppendUint16(list, e.tag)
		list = binary.LittleEndian.AppendUint16(list, e.rights)
		list = binary.LittleEndian.AppendUint32(list, e.id)
	}
	if err := unix.Setxattr(releases, "system.posix_acl_access", list, 0); errors.Is(err, unix.ENOTSUP) {
		t.Log("this disk has no lists of rights")
		return
	} else if err != nil {
		t.Fatal(err)
	}
	may("by a list of rights", true)
}
