package appdir

import (
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

func at(s *appspec.Spec, attr string, line int) {
	if s.Ranges == nil {
		s.Ranges = map[string]appspec.Range{}
	}
	s.Ranges[attr] = appspec.Range{Filename: "/etc/wsgid.d/blog.hcl", Start: appspec.Pos{Line: line, Column: 3}}
}

func bareSpec(t *testing.T) *appspec.Spec {
	return &appspec.Spec{Name: "blog", Path: filepath.Join(shortdir.New(t), "blog")}
}

func TestResolveOwnerAsRoot(t *testing.T) {
	s := bareSpec(t)
	s.User = "daemon"
	o, err := ResolveOwner(s, true)
	if err != nil || o.UID != 1 || o.GID != 1 || o.Name != "daemon" || o.Home == "" || o.Warning != "" {
		t.Errorf("daemon: %+v, %v", o, err)
	}
	s.Group = "nogroup"
	if o, err = ResolveOwner(s, true); err != nil || o.GID != nobody || slices.Contains(o.Groups, nobody) {
		t.Errorf("daemon:nogroup: %+v, %v", o, err)
	}
	s.Group = ""
	s.User = "54321" // no such entry
	if o, err = ResolveOwner(s, true); err != nil || o.UID != 54321 || o.GID != 54321 || o.Name != "54321" || o.Home != "/" {
		t.Errorf("54321: %+v, %v", o, err)
	}
	s.User = "root"
	at(s, "user", 4)
	o, err = ResolveOwner(s, true)
	want := "app blog runs as root: an attacker who gets into it controls the machine (line 4 of /etc/wsgid.d/blog.hcl)"
	if err != nil || o.UID != 0 || o.Warning != want {
		t.Errorf("root: %+v, %v", o, err)
	}
}

func TestResolveOwnerSaysWhy(t *testing.T) {
	for want, change := range map[string]func(*appspec.Spec){
		`user "bolg" does not exist`:                                                                         func(s *appspec.Spec) { s.User = "bolg" },
		`user "bolg" does not exist (line 4 of /etc/wsgid.d/blog.hcl)`:                                       func(s *appspec.Spec) { s.User = "bolg"; at(s, "user", 4) },
		`user "4294967295" does not exist`:                                                                   func(s *appspec.Spec) { s.User = "4294967295" },
		`group "bolg" does not exist (line 5 of /etc/wsgid.d/blog.hcl)`:                                      func(s *appspec.Spec) { s.User, s.Group = "daemon", "bolg"; at(s, "group", 5) },
		`cannot open app folder PATH: the path is not absolute`:                                              func(s *appspec.Spec) { s.Path = "blog" },
		`cannot use /etc/passwd as app folder: passwd is a file, not a folder; move it away or correct path`: func(s *appspec.Spec) { s.Path = "/etc/passwd" },
	} {
		s := bareSpec(t)
		change(s)
		_, err := ResolveOwner(s, true)
		if err == nil {
			t.Errorf("no error, want %s", want)
			continue
		}
		got := err.Error()
		if s.Path == "blog" {
			got = strings.Replace(got, "folder blog", "folder PATH", 1)
		}
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestResolveOwnerFromTheFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root can give a folder away; the rest of the rule is tested above")
	}
	s := bareSpec(t)
	if err := os.Mkdir(s.Path, 0o755); err != nil {
		t.Fatal(err)
	}
	chown := func(uid, gid int) {
		t.Helper()
		if err := os.Chown(s.Path, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	chown(1, 33)
	if o, err := ResolveOwner(s, true); err != nil || o.Name != "daemon" || o.GID != 1 {
		t.Errorf("a folder of daemon: %+v, %v", o, err)
	}
	chown(54321, 54322)
	if o, err := ResolveOwner(s, true); err != nil || o.UID != 54321 || o.GID != 54322 || o.Name != "54321" {
		t.Errorf("a folder of nobody's: %+v, %v", o, err)
	}
	want := ""
	for _, name := range []string{"wsgid", "www-data"} {
		if _, err := user.Lookup(name); err == nil && want == "" {
			want = name
		}
	}
	for _, make := range []func(){func() { chown(0, 0) }, func() { os.Remove(s.Path) }} {
		make()
		if o, err := ResolveOwner(s, true); err != nil || o.Name != want || want == "" {
			t.Errorf("a folder of root, or none: %+v, %v; want %s", o, err, want)
		}
	}
	old := fallbackUsers
	defer func() { fallbackUsers = old }()
	fallbackUsers = []string{"no-such-user-1"}
	_, err := ResolveOwner(s, true)
	text := "cannot choose a user for app blog: its folder " + s.Path + " belongs to root, and neither the user wsgid nor www-data exists; write user = \"…\" into the spec, or create the user: useradd --system wsgid"
	if err == nil || err.Error() != text {
		t.Errorf("got  %v\nwant %s", err, text)
	}
}

func TestResolveOwnerAsOrdinaryUser(t *testing.T) {
	ordinary(t)
	s := bareSpec(t)
	me, err := user.LookupId(strconv.Itoa(os.Geteuid()))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", me.Username, me.Uid} {
		s.User = name
		if o, err := ResolveOwner(s, false); err != nil || o.UID != os.Geteuid() || o.GID != os.Getegid() || o.Name != me.Username {
			t.Errorf("user %q: %+v, %v", name, o, err)
		}
	}
	for want, change := range map[string]func(*appspec.Spec){
		`cannot run app blog as user "daemon" (line 4 of /etc/wsgid.d/blog.hcl): this needs root, and the program runs as "ME"; leave user out, or run it as root`: func(s *appspec.Spec) {
			s.User = "daemon"
			at(s, "user", 4)
		},
		`cannot run app blog with chroot (line 6 of /etc/wsgid.d/blog.hcl): this needs root, and the program runs as "ME"; leave chroot out, or run it as root`: func(s *appspec.Spec) {
			s.Chroot = true
			at(s, "chroot", 6)
		},
		`cannot run app blog as group "daemon": this needs root, and the program runs as group "GROUP"; leave group out, or run it as root`: func(s *appspec.Spec) {
			s.Group = "daemon"
		},
		`group "bolg" does not exist`: func(s *appspec.Spec) { s.Group = "bolg" },
	} {
		s := bareSpec(t)
		change(s)
		want = strings.ReplaceAll(strings.ReplaceAll(want, "ME", me.Username), "GROUP", groupName(os.Getegid()))
		if _, err := ResolveOwner(s, false); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
