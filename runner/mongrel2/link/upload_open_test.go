package link

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestOpenUpload: what must hold of a file before its contents are given to an
// application and its name is removed.
func TestOpenUpload(t *testing.T) {
	root := t.TempDir()
	tmp := filepath.Join(root, "tmp")
	outside := filepath.Join(t.TempDir(), "secret")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		make   func(path string) error
		path   string // default /tmp/up.AAAAAA
		length int64
		tmpl   string
		want   string // text of the file, or of the error
		forged bool
	}{
		{name: "good", length: 5, want: "hello"},
		{name: "chunked", length: -1, want: "hello"},
		{name: "over-read", length: 3, want: "hel"},
		{name: "template", length: 5, tmpl: "/tmp/up.XXXXXX", want: "hello"},
		{name: "short", length: 6, want: "it has 5 bytes, the request says 6", forged: true},
		{name: "other template", length: 5, tmpl: "/tmp/other.XXXXXX", want: "its name is not from the template /tmp/other.XXXXXX", forged: true},
		{name: "longer than the template", length: 5, tmpl: "/tmp/up.XXXXXX", path: "/tmp/up.AAAAAAA", want: "its name is not from the template", forged: true},
		{name: "symlink", length: 5, make: func(p string) error { return os.Symlink(outside, p) }, want: "cannot open upload"},
		{name: "symlink inside", length: 5, make: func(p string) error {
			write(filepath.Join(tmp, "other"), "hello")
			return os.Symlink("other", p)
		}, want: "the name is a link", forged: true},
		{name: "hard link", length: 5, make: func(p string) error { return os.Link(outside, p) }, want: "not a regular file with one name", forged: true},
		{name: "directory", length: 5, make: func(p string) error { return os.Mkdir(p, 0o755) }, want: "cannot open upload"},
		{name: "fifo", length: 5, make: func(p string) error { return syscall.Mkfifo(p, 0o600) }, want: "not a regular file", forged: true},
		{name: "missing", length: 5, make: func(string) error { return nil }, want: "no such file or directory"},
		{name: "directory leads out", length: 5, path: "/out/up.AAAAAA", make: func(p string) error {
			return os.Symlink(filepath.Dir(outside), filepath.Join(root, "out"))
		}, want: "cannot open upload"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, dir := range []string{tmp, filepath.Join(root, "out")} {
				os.RemoveAll(dir)
			}
			if err := os.Mkdir(tmp, 0o755); err != nil {
				t.Fatal(err)
			}
			write(outside, "hello")
			if test.path == "" {
				test.path = "/tmp/up.AAAAAA"
			}
			full := filepath.Join(root, test.path)
			if test.make == nil {
				write(full, "hello")
			} else if err := test.make(full); err != nil {
				t.Fatal(err)
			}
			var u uploads
			u.init(Config{Chroot: root, UploadTemplate: test.tmpl})
			f, size, err := u.open(test.path, test.length)
			if err != nil {
				if !strings.Contains(err.Error(), test.want) || errors.Is(err, errForged) != test.forged {
					t.Errorf("error %v, want %q", err, test.want)
				}
				if b, _ := os.ReadFile(outside); string(b) != "hello" {
					t.Error("a file outside was touched")
				}
				return
			}
			defer f.Close()
			b := make([]byte, 100)
			n, _ := f.ReadAt(b, 0)
			if string(b[:n]) != test.want || size != int64(n) {
				t.Errorf("got %q, size %d, want %q", b[:n], size, test.want)
			}
			if _, err := os.Lstat(full); !errors.Is(err, os.ErrNotExist) {
				t.Error("its name was not removed")
			}
		})
	}
}

func TestOpenUploadWithoutChroot(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "up.AAAAAA")
	if err := os.WriteFile(name, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	var u uploads
	u.init(Config{})
	_, _, err := u.open("tmp/up.AAAAAA", 5)
	if want := `cannot open upload "tmp/up.AAAAAA": it is relative to mongrel2's working directory: set the mongrel2 block's chroot, or an absolute upload.temp_store`; err == nil || err.Error() != want {
		t.Errorf("error %v", err)
	}
	f, _, err := u.open(name, 5)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

func TestSweep(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "tmp"), 0o755); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	old := now.Add(-sweepAge - time.Hour)
	for _, name := range []string{"up.AAAAAA", "up.BBBBBB", "up.short", "up.toolong", "other.", "CCCCCC"} {
		p := filepath.Join(root, "tmp", name)
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if name != "up.BBBBBB" {
			if err := os.Chtimes(p, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Symlink("up.BBBBBB", filepath.Join(root, "tmp", "up.LLLLLL")); err != nil {
		t.Fatal(err)
	}
	var u uploads
	u.init(Config{Chroot: root, UploadTemplate: "/tmp/up.XXXXXX"})
	for template, want := range map[string]int{u.template: 1, "/tmp/": 0} {
		if n, err := u.sweep(template, now.Add(-sweepAge)); n != want || err != nil {
			t.Errorf("%s: removed %d, %v", template, n, err)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "tmp", "up.AAAAAA")); err == nil {
		t.Error("the stale file is still there")
	}
}
