package runner

import (
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

const etcApp = `
import socket

def application(environ, start_response):
    def read(name):
        try:
            return open("/etc/" + name).read()
        except OSError as e:
            return e.strerror
    try:
        address = socket.getaddrinfo("chroot.test.invalid", 80, socket.AF_INET)[0][4][0]
    except OSError as e:
        address = str(e)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%s|%s|%s" % (address, read("resolv.conf").strip(), read("gai.conf").strip())).encode()]
`

// ownEtc runs the test again, alone, with an /etc that it may change. False: that
// was done, in another process.
func ownEtc(t *testing.T) bool {
	t.Helper()
	const mark = "WSGID_TEST_OWN_ETC"
	if os.Getenv(mark) == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run", "^"+t.Name()+"$", "-test.count", "1", "-test.v")
		cmd.Env = append(os.Environ(), mark+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
			t.Errorf("%v\n%s", err, out)
		}
		return false
	}
	copied := t.TempDir()
	if err := os.Chmod(copied, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", "/etc/.", copied).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := unix.Mount(copied, "/etc", "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount("/etc", unix.MNT_DETACH) })
	return true
}

// replaceFile replaces a file at once, as careful programs do.
func replaceFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// What the host replaces in its /etc is seen inside: files, files that were not
// there, and what a link leads to.
func TestChrootFollowsTheHostsFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("starts masters and Python workers")
	}
	needsRoot(t)
	if !ownEtc(t) {
		return
	}
	run := t.TempDir()
	for path, text := range map[string]string{"/etc/hosts": "127.0.0.1 localhost\n127.0.0.7 chroot.test.invalid\n", run + "/resolv.conf": "# one"} {
		replaceFile(t, path, text)
	}
	_ = os.Remove("/etc/gai.conf")
	_ = os.Remove("/etc/resolv.conf")
	if err := os.Symlink(filepath.Join(run, "resolv.conf"), "/etc/resolv.conf"); err != nil {
		t.Fatal(err)
	}
	a := newTestApp(t, etcApp, func(s *appspec.Spec) { s.Chroot = true })
	a.start(StateReady)
	wants := func(want string) {
		t.Helper()
		a.answers(want)
	}
	wants("127.0.0.7|# one|No such file or directory")
	replaceFile(t, "/etc/hosts", "127.0.0.8 chroot.test.invalid\n")
	wants("127.0.0.8|# one|No such file or directory")
	replaceFile(t, run+"/resolv.conf", "# two")
	wants("127.0.0.8|# two|No such file or directory")
	replaceFile(t, "/etc/gai.conf", "# new")
	wants("127.0.0.8|# two|# new")
	// Gone for a moment, then in place.
	if err := os.Remove("/etc/hosts"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("/etc/hosts", []byte("127.0.0.9 chroot.test.invalid\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("/etc/gai.conf", []byte("# newer"), 0o644); err != nil {
		t.Fatal(err)
	}
	wants("127.0.0.9|# two|# newer")
}

// A certificate behind links, as certbot lays it, is followed when it is renewed,
// and neither it nor its key is seen by the app.
func TestChrootCertificate(t *testing.T) {
	needsRoot(t)
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	live := filepath.Join(dir, "live")
	for _, d := range []string{"live", "archive1", "archive2"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	point := func(n int) {
		t.Helper()
		writeCertificate(t, filepath.Join(dir, fmt.Sprintf("archive%d", n)))
		for _, name := range []string{"cert.pem", "key.pem"} {
			if err := os.Symlink(fmt.Sprintf("../archive%d/%s", n, name), filepath.Join(live, "new")); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(live, "new"), filepath.Join(live, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	point(1)
	a := newTestApp(t, strings.Replace(helloApp, `os.environ.get("WORD", "hello")`, fmt.Sprintf("os.path.exists(%q)", dir), 1), func(s *appspec.Spec) {
		s.Chroot = true
		s.Sockets.HTTP[0].TLS = &appspec.TLS{Cert: live + "/cert.pem", Key: live + "/key.pem"}
	})
	a.start(StateReady)
	leaf := func() string {
		c, err := tls.Dial("tcp", a.addr, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // which certificate comes is what is asked
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(c)
		if !strings.Contains(string(b), "200 OK") || !strings.Contains(string(b), "False ") {
			t.Fatalf("got %s", b)
		}
		return string(c.ConnectionState().PeerCertificates[0].Signature)
	}
	first := leaf()
	point(2)
	eventually(t, "the renewed certificate", func() bool { return leaf() != first })
}
