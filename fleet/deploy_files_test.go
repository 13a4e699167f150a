package fleet

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/specdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

// What deploys of an app are to read and its user may not is told before one begins: where it
// stands in the file, what keeps the user from it, and what to do.
func TestFilesThatDeploysCannotRead(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	const nobody = 65534
	top := shortdir.New(t)
	file := func(name string, uid int, mode os.FileMode) string {
		t.Helper()
		name = filepath.Join(top, name)
		err := os.MkdirAll(filepath.Dir(name), 0o755)
		if err == nil && strings.HasSuffix(name, "wheels") {
			err = os.Mkdir(name, 0o700)
		} else if err == nil {
			err = os.WriteFile(name, []byte("k"), 0o600)
		}
		for _, step := range []error{err, os.Chown(name, uid, -1), os.Chmod(name, mode)} {
			if step != nil {
				t.Fatal(step)
			}
		}
		return name
	}
	own, open, roots := file("own", nobody, 0o600), file("open", nobody, 0o644), file("roots", 0, 0o600)
	inside, listed := file("closed/known", 0, 0o644), file("lets/known", 0, 0o644)
	if err := os.Chmod(filepath.Dir(inside), 0o700); err != nil {
		t.Fatal(err)
	}
	wheels, passed := file("wheels", 0, 0o700), file("a/wheels", 0, 0o711)
	const may = " cannot be read by the user that deploys run as: user nobody may not "
	for name, tt := range map[string]struct{ line, want string }{
		"a key of its own":                 {`ssh_key = "` + own + `"`, ""},
		"a key that others may read":       {`ssh_key = "` + open + `"`, "6:15: ssh does not use ssh_key " + open + ", since others than its owner may read it; chmod 600 " + open},
		"a key of root's":                  {`ssh_key = "` + roots + `"`, "6:15: ssh_key " + roots + may + "read it (mode 0600, owner root); chown nobody " + roots + " && chmod 600 " + roots},
		"known hosts that all may read":    {`known_hosts = "` + listed + `"`, ""},
		"known hosts of root's":            {`known_hosts = "` + roots + `"`, "6:19: known_hosts " + roots + may + "read it (mode 0600, owner root); chmod a+r " + roots},
		"known hosts in a closed folder":   {`known_hosts = "` + inside + `"`, "6:19: known_hosts " + inside + may + "enter folder " + top + "/closed (mode 0700, owner root); chmod o+x " + top + "/closed"},
		"wheels of root's":                 {`wheels = "` + wheels + `"`, "6:14: wheels " + wheels + may + "read it (mode 0700, owner root); chmod -R a+rX " + wheels},
		"wheels that can be passed alone":  {`wheels = "` + passed + `"`, "6:14: wheels " + passed + may + "read it (mode 0711, owner root); chmod -R a+rX " + passed},
		"wheels that are not there":        {`wheels = "/none/wheels"`, "6:14: wheels /none/wheels is not there: no such file; create it, and put the wheels into it: pip wheel -r requirements.txt -w /none/wheels"},
		"a key that a list of rights lets": {`ssh_key = "` + granted(t, file("granted", 0, 0o600)) + `"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			spec := filepath.Join(dir, "blog.hcl")
			text := "app \"blog\" {\n  path = \"/srv/blog\"\n  user = \"nobody\"\n  wsgi_app = \"m:a\"\n  deploy {\n    " + tt.line + "\n    repository = \"file:///r\"\n  }\n  sockets {\n    http {\n      listen = \"127.0.0.1:1\"\n    }\n  }\n}\n"
			if err := os.WriteFile(spec, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			set, err := specdir.HostOptions().Load(afero.NewOsFs(), dir)
			if err != nil || len(set.Faults) > 0 {
				t.Fatal(err, set.Faults)
			}
			var want []string
			if tt.want != "" {
				want = []string{spec + ":" + tt.want}
			}
			if diff := cmp.Diff(want, deployWarnings(set, []string{"blog"})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := deployWarnings(set, []string{"shop"}); got != nil {
				t.Errorf("of another app it is told %q", got)
			}
		})
	}
}

// granted has a list of rights of a file let nobody read it, where the machine has a program for
// that and the disk takes it; else its mode does.
func granted(t *testing.T, name string) string {
	t.Helper()
	if exec.Command("setfacl", "-m", "u:nobody:r", name).Run() != nil {
		if err := os.Chmod(name, 0o644); err != nil { //nolint:gosec // as the list would
			t.Fatal(err)
		}
	}
	return name
}
