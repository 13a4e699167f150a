package appdir

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

const nobody = 65534

// ordinary runs the calling test once more as an ordinary user where the suite
// runs as root, and tells whether this is that run (or one by a user who is no
// root anyway).
func ordinary(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		return true
	}
	dir := shortdir.New(t)
	bin := filepath.Join(dir, "test")
	copyFile(t, os.Args[0], bin)
	cmd := exec.CommandContext(t.Context(), bin, "-test.run=^"+t.Name()+"$", "-test.timeout=60s")
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/", "TMPDIR=/tmp", "WSGID_TEST_PATH=" + os.Getenv("WSGID_TEST_PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("as an ordinary user: %v\n%s", err, out)
	}
	return false
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	src, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	if _, err := io.Copy(dst, src); err != nil {
		t.Fatal(err)
	}
}

// testSpec is an app in a new temporary directory; its folder does not exist.
func testSpec(t *testing.T) *appspec.Spec {
	t.Helper()
	return specAt(filepath.Join(shortdir.New(t), "blog"))
}

func specAt(path string) *appspec.Spec {
	s := &appspec.Spec{
		Name: "blog", Path: path, Enabled: true, Loader: "auto", WSGIApp: "blog.wsgi:application",
		Env: map[string]string{"KEY": "secret"},
		Django: &appspec.Django{
			Settings:  "blog.settings",
			Overrides: map[string]any{"DEBUG": false},
		},
	}
	s.Sockets.HTTP = []appspec.HTTPSocket{{Listen: "127.0.0.1:8000", Mode: 0o660}}
	s.Workers.Min, s.Workers.Max, s.Workers.KeepAlive = 2, 2, true
	s.Workers.StartTimeout = appspec.Duration(30 * time.Second)
	return s
}

// owner is the user that the tests give folders to: nobody where they run as
// root, else the user who runs them.
func testOwner() Owner {
	if os.Geteuid() == 0 {
		return Owner{UID: nobody, GID: nobody, Name: "nobody", Home: "/"}
	}
	return Owner{UID: os.Geteuid(), GID: os.Getegid(), Name: "me", Home: "/"}
}

func noneLive(int) bool { return false }

func open(t *testing.T, path string) *RootFs {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func mustRepair(t *testing.T, s *appspec.Spec) []Problem {
	t.Helper()
	p, err := Repair(open(t, s.Path), s, testOwner(), noneLive)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// repairFails repairs, wants an error, and returns its text with the path of
// the app folder as PATH.
func repairFails(t *testing.T, s *appspec.Spec) string {
	t.Helper()
	r, err := Open(s.Path)
	if err == nil {
		defer r.Close()
		_, err = Repair(r, s, testOwner(), noneLive)
	}
	if err == nil {
		t.Fatal("the repair went well, want an error")
	}
	return strings.ReplaceAll(err.Error(), s.Path, "PATH")
}

func lines(s *appspec.Spec, problems []Problem) string {
	var b strings.Builder
	for _, p := range problems {
		b.WriteString(strings.ReplaceAll(p.String(), s.Path, "PATH") + "\n")
	}
	return b.String()
}

func write(t *testing.T, path, data string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// state is everything about a tree that a repair may have changed.
func state(t *testing.T, dir string) map[string]string {
	t.Helper()
	m := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		st := fi.Sys().(*syscall.Stat_t)
		v := fi.Mode().String() + " " + userName(int(st.Uid)) + " " + groupName(int(st.Gid)) + " " + fi.ModTime().Format(time.RFC3339Nano)
		if fi.Mode().IsRegular() {
			v += " " + read(t, path)
		}
		m[path] = v
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// brokenFs fails where it is told to.
type brokenFs struct {
	afero.Fs
	create, write, sync, rename error
}

func (b brokenFs) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	if flag&os.O_CREATE != 0 && b.create != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: b.create}
	}
	f, err := b.Fs.OpenFile(name, flag, perm)
	if err != nil || flag&os.O_CREATE == 0 {
		return f, err
	}
	return brokenFile{File: f, fs: b}, nil
}

func (b brokenFs) Rename(o, n string) error {
	if b.rename != nil {
		return &os.LinkError{Op: "rename", Old: o, New: n, Err: b.rename}
	}
	return b.Fs.Rename(o, n)
}

type brokenFile struct {
	afero.File
	fs brokenFs
}

func (f brokenFile) Write(b []byte) (int, error) {
	if f.fs.write != nil {
		return 0, &fs.PathError{Op: "write", Path: f.Name(), Err: f.fs.write}
	}
	return f.File.Write(b)
}

func (f brokenFile) Sync() error {
	if f.fs.sync != nil {
		return &fs.PathError{Op: "sync", Path: f.Name(), Err: f.fs.sync}
	}
	return f.File.Sync()
}
