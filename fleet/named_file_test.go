package fleet

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/specdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

// What file() names may lie in an app's folder. Root reads what is the app's there,
// and no other file that the app has put a link to: not by the last part of the path
// nor by a folder on the way.
func TestFileFunctionFollowsNoLinkOfAnApp(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it takes root to have an app of another user")
	}
	const app = 65534
	dir := shortdir.New(t)
	folder, secret := filepath.Join(dir, "blog"), filepath.Join(dir, "secret")
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	put := func(name, text string, uid int) {
		t.Helper()
		do(os.WriteFile(name, []byte(text), 0o600))
		do(os.Lchown(name, uid, uid))
	}
	link := func(to, name string, uid int) {
		t.Helper()
		do(os.Symlink(to, name))
		do(os.Lchown(name, uid, uid))
	}
	do(os.Chmod(dir, 0o755))
	do(os.Mkdir(folder, 0o755))
	do(os.Chown(folder, app, app))
	do(os.Mkdir(secret, 0o700))
	put(filepath.Join(secret, "key"), "of another", 0)
	put(filepath.Join(folder, "own"), "its own", app)
	link("own", filepath.Join(folder, "own-link"), app)
	link(filepath.Join(secret, "key"), filepath.Join(folder, "stolen"), app)
	link(secret, filepath.Join(folder, "folder"), app)
	link(filepath.Join(secret, "key"), filepath.Join(folder, "roots-link"), 0)
	do(unix.Mkfifo(filepath.Join(folder, "fifo"), 0o600))
	put(filepath.Join(folder, "long"), strings.Repeat("x", 1<<20+1), app)

	for name, want := range map[string]string{
		"own": "its own", "own-link": "its own", "roots-link": "of another",
		"stolen":     "cannot read " + folder + "/stolen: its path contains a symbolic link owned by nobody to a file of root; root follows such a link only to a file of the same user",
		"folder/key": "cannot read " + folder + "/folder/key: its path contains a symbolic link owned by nobody to a file of root",
		"fifo":       "it is a named pipe, not a file",
		"long":       "more than the 1MiB that are allowed",
		"none":       "cannot read " + folder + "/none: no such file",
	} {
		spec := filepath.Join(dir, "blog.hcl")
		put(spec, "app \"blog\" {\n  path = \""+folder+"\"\n  sockets {\n    http {\n      listen = \"127.0.0.1:8000\"\n    }\n  }\n  env = { KEY = file(\""+filepath.Join(folder, name)+"\") }\n}\n", 0)
		set := specdir.HostOptions().LoadFiles(afero.NewOsFs(), spec)
		got := ""
		if s := set.Specs["blog"]; s != nil {
			got = s.Env["KEY"]
		}
		for _, f := range set.Faults {
			got += f.Text
		}
		if !strings.Contains(got, want) || strings.Contains(got, "of another") && want != "of another" {
			t.Errorf("file(%s): %s, want %q", name, got, want)
		}
	}
}
