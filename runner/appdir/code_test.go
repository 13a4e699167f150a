package appdir

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

// Whose the folders are after a repair: what the program writes is the app's user's
// (here nobody's neighbour 54321), the code is who brings it there.
func TestWhoseTheCodeIs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root can give a folder away")
	}
	const deployer, app = 54322, 54321
	yes, no := new(bool), new(bool)
	*yes = true
	for name, c := range map[string]struct {
		layout bool // it has an app/, else the code is in the folder itself
		owner  int
		code   string
		own    *bool
		keeps  bool // folder, code and plugins stay the owner's
	}{
		"a deployer's app/":            {layout: true, owner: deployer, keeps: true},
		"root's app/":                  {layout: true, owner: 0},
		"nobody's app/":                {layout: true, owner: nobody},
		"root's app/, own_code no":     {layout: true, owner: 0, own: no, keeps: true},
		"a deployer's app/, own_code":  {layout: true, owner: deployer, own: yes},
		"a deployer's checkout":        {owner: deployer, keeps: true},
		"root's checkout":              {owner: 0, keeps: true},
		"root's checkout, own_code":    {owner: 0, own: yes},
		"a checkout with a folder app": {layout: true, owner: 0, code: ".", keeps: true},
		"code in a part of it":         {owner: deployer, code: "src", keeps: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := testSpec(t)
			s.Code, s.OwnCode = c.code, c.own
			made := []string{"", "/src"}
			if c.layout {
				made = append(made, "/app")
			}
			for _, dir := range made {
				if err := os.Mkdir(s.Path+dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			write(t, filepath.Join(s.Path, "manage.py"), "", 0o644)
			for _, name := range append(made, "/manage.py") {
				if err := os.Lchown(s.Path+name, c.owner, c.owner); err != nil {
					t.Fatal(err)
				}
			}
			owner := Owner{UID: app, GID: app, Name: "app"}
			plan, err := Check(open(t, s.Path), s, owner, noneLive)
			if err != nil {
				t.Fatal(err)
			}
			did, err := Repair(open(t, s.Path), s, owner, noneLive)
			if err != nil || fmt.Sprint(did) != fmt.Sprint(plan) {
				t.Fatalf("did %v, %v; planned %v", did, err, plan)
			}
			want := map[string]int{"": app, "logs": app, "pid": app, "pid/master": app, "pid/worker": app, "wsgid.json": app,
				"plugins": app, "src": c.owner, "manage.py": c.owner}
			if c.keeps {
				want[""], want["plugins"] = c.owner, c.owner
			}
			if c.layout {
				want["app"] = want[""]
				if c.code == "." {
					want["app"] = c.owner
				}
			}
			for name, uid := range want {
				fi, err := os.Lstat(filepath.Join(s.Path, name))
				if err != nil {
					t.Error(err)
					continue
				}
				if got := fi.Sys().(*syscall.Stat_t).Uid; int(got) != uid {
					t.Errorf("%q is %d's, want %d's", name, got, uid)
				}
			}
			if _, err := os.Lstat(filepath.Join(s.Path, "app")); (err == nil) != c.layout {
				t.Errorf("app/: %v", err)
			}
			if again, err := Repair(open(t, s.Path), s, owner, noneLive); err != nil || len(again) > 0 {
				t.Errorf("a second repair: %v, %v", again, err)
			}
		})
	}
}

// A release of a deployer, and his link to it, stay as they are.
func TestLinkToARelease(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root can give a folder away")
	}
	const deployer = 54322
	home := shortdir.New(t)
	release, link := filepath.Join(home, "1"), filepath.Join(home, "current")
	if err := os.Mkdir(release, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(release, "wsgi.py"), "", 0o644)
	if err := os.Symlink("1", link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{home, release, link} {
		if err := os.Lchown(name, deployer, deployer); err != nil {
			t.Fatal(err)
		}
	}
	s := specAt(link)
	s.User = "daemon"
	owner, err := FolderOwner(s, true)
	if err != nil {
		t.Fatal(err)
	}
	did, err := Repair(open(t, s.Path), s, owner, noneLive)
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(did, func(p Problem) bool { return strings.Contains(p.What, "give it") || strings.HasSuffix(p.Path, "/app") }) {
		t.Errorf("did %v", did)
	}
	if to, err := os.Readlink(link); err != nil || to != "1" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	if fi, err := os.Stat(release); err != nil || fi.Sys().(*syscall.Stat_t).Uid != deployer {
		t.Errorf("the release: %v, %v", fi, err)
	}
}

func TestIsCheckout(t *testing.T) {
	for names, want := range map[string]bool{
		"manage.py blog": true, "pyproject.toml src": true, "requirements.txt": true, "wsgi.py app": false,
		"": false, "passwd shadow hosts": false, "logs pid plugins wsgid.json": false,
	} {
		if got := appspec.IsCheckout(strings.Fields(names)); got != want {
			t.Errorf("%q: %v", names, got)
		}
	}
}
