package e2e

import (
	"io/fs"
	"net/http"
	"path/filepath"
	"testing"
)

// Whatever the umask of the shell or the unit that starts us, apps of other users
// run, and nothing that we make can be written to by others.
func TestUmaskOfTheCaller(t *testing.T) {
	for _, umask := range []string{"027", "077", "777", "000"} {
		t.Run(umask, func(t *testing.T) {
			asEach(t, func(t *testing.T, who account) {
				b := newHarness(t, who)
				b.only("hello")
				b.umask = umask
				if out := b.fleet("apply", "hello"); out.code != 0 {
					t.Fatal(out)
				}
				if code, body, err := get(b.hello, "/"); err != nil || code != http.StatusOK {
					t.Errorf("answered %d %q, %v", code, body, err)
				}
				for _, dir := range []string{b.state, filepath.Join(b.demo, "apps/hello")} {
					b.must(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
						if err != nil {
							return err
						}
						info, err := d.Info()
						if err == nil && info.Mode()&fs.ModeSymlink == 0 && info.Mode().Perm()&0o002 != 0 {
							t.Errorf("%s has mode %v: others may write to it", path, info.Mode())
						}
						return err
					}))
				}
				if out := b.fleet("stop", "--all"); out.code != 0 {
					t.Error(out)
				}
			})
		})
	}
}
