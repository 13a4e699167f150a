package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// buildPackage is a Debian package of this checkout, and one of a later version.
func buildPackage(t *testing.T) (first, later string) {
	t.Helper()
	dir := t.TempDir()
	run := func(name string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = "../.."
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
	}
	first, later = filepath.Join(dir, "first.deb"), filepath.Join(dir, "later.deb")
	run("make", "deb", "DEB="+first)
	tree := filepath.Join(dir, "tree")
	run("dpkg-deb", "-R", first, tree)
	control := filepath.Join(tree, "DEBIAN/control")
	b, err := os.ReadFile(control)
	if err != nil {
		t.Fatal(err)
	}
	b = regexp.MustCompile(`(?m)^Version: .*$`).ReplaceAll(b, []byte("$0.later"))
	if err := os.WriteFile(control, b, 0o644); err != nil {
		t.Fatal(err)
	}
	run("dpkg-deb", "-Znone", "--root-owner-group", "-b", tree, later)
	return first, later
}

// packageScript puts the packages $2 and $3 into a machine where nothing of ours
// is. What keeps services from starting while images are made is no part of it, and
// neither is the index of manual pages, which takes a minute, nor what leaves out
// manual pages in images.
const packageScript = `mkdir -p "$1/root/bin"
cp "$2" "$1/root/bin/wsgid-fleet_first.deb"
cp "$3" "$1/root/later.deb"
rm -rf "$1/usr/sbin/policy-rc.d" "$1"/etc/wsgid* "$1/etc/default/wsgid-fleet" "$1/var/lib/wsgid" "$1/var/wsgid" "$1/run/wsgid"
rm -f "$1"/usr/local/bin/wsgid* "$1/var/lib/man-db/auto-update" "$1"/etc/dpkg/dpkg.cfg.d/*
echo 'enable wsgid-fleet.service' > "$1/etc/systemd/system-preset/00-fleet.preset"
`

// The package as somebody meets it: installed, a first app served, upgraded under
// load, removed, purged.
func TestPackage(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a package")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root can boot a container")
	}
	first, later := buildPackage(t)
	if size := fileSize(t, first); size > 15<<20 {
		t.Errorf("the package has %d bytes", size)
	}
	if out, err := exec.CommandContext(t.Context(), "lintian", "--fail-on", "error", first).CombinedOutput(); err != nil {
		t.Errorf("lintian: %v\n%s", err, out)
	}
	unpacked := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "dpkg-deb", "-x", first, unpacked).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v\n%s", err, out)
	}
	linksLead(t, filepath.Join(unpacked, "usr/share/doc/wsgid-fleet"))
	m := bootWith(t, packageScript, first, later)
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := m.try("journalctl", "-u", "wsgid-fleet", "--no-pager", "-n", "200")
			t.Logf("journal:\n%s", out)
		}
	})
	dpkg := func(args ...string) {
		t.Helper()
		m.run(append([]string{"env", "DEBIAN_FRONTEND=noninteractive", "dpkg"}, args...)...)
	}

	commands := shownToRoot(t)
	tour := newcomer{m}
	tour.types(commands[0])
	if enabled := strings.TrimSpace(m.run("systemctl", "is-enabled", "wsgid-fleet")); enabled != "enabled" {
		t.Errorf("the service is %s", enabled)
	}
	empty := func() {
		t.Helper()
		m.until("the service is there with an empty directory", time.Minute, func() error {
			out, err := m.try("wsgid-fleet", "status")
			return errors.Join(err, contains(out, "no app"))
		})
	}
	empty()
	for _, c := range commands[1:] {
		tour.types(c)
	}
	// What /etc/default/wsgid-fleet says reaches the daemon: an option, and a variable that a
	// spec reads.
	m.run("sed", "-i", `s/^WSGID_FLEET_OPTIONS=.*/WSGID_FLEET_OPTIONS="--metrics 127.0.0.1:9181 --console 127.0.0.1:9191"\nGREETING="by the default file"/`, "/etc/default/wsgid-fleet")
	m.run("sed", "-i", `0,/^  wsgi_app/s//  env = { GREETING = env("GREETING") }\n&/`, "/etc/wsgid.d/hello.hcl")
	m.run("systemctl", "restart", "wsgid-fleet")
	m.until("the app has the variable", time.Minute, func() error {
		out, err := m.try("curl", "-fsS", "http://127.0.0.1:8000/")
		return errors.Join(err, contains(out, "by the default file"))
	})
	if out := m.run("curl", "-fsS", "http://127.0.0.1:9181/metrics"); !strings.Contains(out, `app="hello"`) {
		t.Errorf("the option --metrics: %s", out)
	}
	if out := m.run("wsgid-fleet", "console"); !strings.HasPrefix(out, "http://127.0.0.1:9191/login#") {
		t.Errorf("the option --console: %s", out)
	}
	m.run("rm", "/etc/wsgid.d/hello.hcl")
	empty()
	m.run("rm", "-r", "/srv/hello")
	for _, page := range []string{"wsgid-fleet", "wsgid-fleet-apply", "wsgid", "wsgid.d"} {
		if out := m.run("man", "-w", page); !strings.Contains(out, "/usr/share/man/") {
			t.Errorf("manual page %s: %s", page, out)
		}
	}
	m.run("id", "wsgid")
	m.write("/srv/hello/app/hello.py", helloApp)
	m.write("/etc/wsgid.d/hello.hcl", helloSpec)
	m.until("the app is served", time.Minute, func() error {
		_, err := m.try("curl", "-fsS", hello)
		return err
	})

	l := m.load(hello)
	master, daemon := m.master(), m.property("wsgid-fleet", "MainPID")
	dpkg("-i", "/root/later.deb")
	m.until("the new program runs in the old one's process", time.Minute, func() error {
		exe, err := m.try("readlink", "/proc/"+daemon+"/exe")
		if strings.TrimSpace(exe) != "/usr/bin/wsgid-fleet" { // else its file is deleted
			return errors.Join(err, fmt.Errorf("it runs %s", exe))
		}
		_, err = m.try("wsgid-fleet", "status")
		return err
	})
	if now := m.property("wsgid-fleet", "MainPID"); now != daemon {
		t.Errorf("daemon %s became %s", daemon, now)
	}
	if now := m.master(); now != master {
		t.Errorf("master %s became %s", master, now)
	}
	l.lost()

	dpkg("-r", "wsgid-fleet")
	if out, err := m.try("curl", "-fsS", "--max-time", "5", hello); err == nil {
		t.Errorf("removed, and it answers %q", out)
	}
	if out, err := m.try("pgrep", "-a", "wsgid"); err == nil {
		t.Errorf("removed, and there run:\n%s", out)
	}
	m.run("test", "-e", "/etc/wsgid.d/hello.hcl", "-a", "-e", "/var/lib/wsgid", "-a", "-e", "/etc/default/wsgid-fleet")
	dpkg("-P", "wsgid-fleet")
	for _, path := range []string{"/var/lib/wsgid", "/etc/default/wsgid-fleet", "/etc/wsgid.d/README", "/usr/share/doc/wsgid-fleet", "/usr/libexec/wsgid-fleet", "/etc/systemd/system/multi-user.target.wants/wsgid-fleet.service"} {
		if _, err := m.try("test", "!", "-e", path); err != nil {
			t.Errorf("purged, and %s is there", path)
		}
	}
	m.run("test", "-e", "/etc/wsgid.d/hello.hcl", "-a", "-e", "/srv/hello/app/hello.py")
}

var pageLink = regexp.MustCompile(`\]\(([^)\s#]+)(#[^)\s]*)?\)`)

// linksLead tells whether what the pages of a folder link to is there, also in a page that
// is compressed.
func linksLead(t *testing.T, dir string) {
	t.Helper()
	links := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(strings.TrimSuffix(path, ".gz"), ".md") {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil && strings.HasSuffix(path, ".gz") {
			text, err = exec.CommandContext(t.Context(), "zcat", path).Output()
		}
		for _, m := range pageLink.FindAllSubmatch(text, -1) {
			to := string(m[1])
			if strings.Contains(to, "://") {
				continue
			}
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), to)); err != nil {
				t.Errorf("%s links to %s, which is not there", strings.TrimPrefix(path, dir), to)
			}
		}
		return err
	})
	if err != nil || links < 20 {
		t.Errorf("%d links of pages lead somewhere, %v", links, err)
	}
}

func contains(text, part string) error {
	if !strings.Contains(text, part) {
		return fmt.Errorf("no %q in %q", part, text)
	}
	return nil
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// make install below another root, and make uninstall, which takes all of it away
// again but what lies in /etc.
func TestMakeInstall(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the programs")
	}
	root := t.TempDir()
	run := func(target string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "make", target, "DESTDIR="+root)
		cmd.Dir = "../.."
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("make %s: %v\n%s", target, err, out)
		}
	}
	run("install")
	unit, err := os.ReadFile(filepath.Join(root, "usr/local/lib/systemd/system/wsgid-fleet.service"))
	if err != nil || !bytes.Contains(unit, []byte("ExecStart=/usr/local/bin/wsgid-fleet run")) {
		t.Errorf("the unit: %v\n%s", err, unit)
	}
	linksLead(t, filepath.Join(root, "usr/local/share/doc/wsgid-fleet"))
	mine := filepath.Join(root, "etc/default/wsgid-fleet")
	if err := os.WriteFile(mine, []byte("A=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run("install")
	if b, err := os.ReadFile(mine); err != nil || string(b) != "A=1\n" {
		t.Errorf("a file of the operator's was overwritten: %q, %v", b, err)
	}
	run("uninstall")
	var left []string
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			left = append(left, strings.TrimPrefix(path, root))
		}
		return err
	})
	if got := fmt.Sprint(left); err != nil || got != "[/etc/default/wsgid-fleet /etc/wsgid.d/README]" {
		t.Errorf("there is left %s, %v", got, err)
	}
}
