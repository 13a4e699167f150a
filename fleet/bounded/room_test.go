package bounded

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// What a file system says that takes nothing more, to whoever has to make room.
func TestWhatToDoAboutAFullDisk(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root mounts a small disk")
	}
	for name, tt := range map[string]struct {
		options, want string
		fill          func(dir string) error
	}{
		"blocks": {"size=64k", "no space left on device; the file system at DIR has 0B left of 64KiB: free space there (du -xh DIR | sort -h)",
			func(dir string) error { return os.WriteFile(filepath.Join(dir, "fill"), make([]byte, 1<<20), 0o600) }},
		"inodes": {"nr_inodes=4", "no space left on device; the file system at DIR has no inode left of 4: remove files there, as old sessions and caches, or move them elsewhere (df -i DIR)",
			func(dir string) error {
				for _, name := range []string{"a", "b", "c", "d"} {
					if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
						return err
					}
				}
				return nil
			}},
		"read-only": {"ro", "read-only file system; the file system at DIR is mounted read-only: mount it writable (mount -o remount,rw DIR); where nobody did that, dmesg says what is wrong with its disk",
			func(dir string) error { return os.Mkdir(filepath.Join(dir, "a"), 0o700) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			flags := uintptr(0)
			if tt.options == "ro" {
				flags, tt.options = unix.MS_RDONLY, ""
			}
			if err := unix.Mount("small", dir, "tmpfs", flags, tt.options); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
			err := tt.fill(dir)
			if err == nil {
				t.Fatal("it took all")
			}
			if got, want := Reason(err).Error(), strings.ReplaceAll(tt.want, "DIR", dir); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestNextStepOfARoom(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		r       room
		refusal error
		want    string
	}{
		{room{mount: "/var", known: true, size: 8 << 30, kept: 400 << 20}, syscall.ENOSPC, "the file system at /var has 400MiB left of 8.0GiB, for root alone: free space there (du -xh /var | sort -h)"},
		{room{mount: "/var", known: true, size: 8 << 30, free: 12 << 10, kept: 400 << 20, inodes: 9, left: 2}, syscall.ENOSPC, "the file system at /var has 12KiB left of 8.0GiB: free space there (du -xh /var | sort -h)"},
		{room{mount: "/var"}, syscall.ENOSPC, "free space on the file system at /var (df /var)"},
		{room{mount: "/home", known: true, size: 1 << 30, free: 1 << 20}, syscall.EDQUOT, "the quota on the file system at /home is used up: raise it, or remove files there (quota -v)"},
	} {
		if got := tt.r.next(tt.refusal); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

// Other reasons are told as they are, and what the kernel said can be asked for.
func TestReason(t *testing.T) {
	t.Parallel()
	missing := &fs.PathError{Op: "open", Path: "/a/b", Err: syscall.ENOENT}
	if got := Reason(missing); got.Error() != "no such file or directory" || !errors.Is(got, fs.ErrNotExist) {
		t.Errorf("%v", got)
	}
	full := &os.LinkError{Op: "rename", Old: "/a", New: "/nothing/of/this", Err: syscall.ENOSPC}
	if got := Reason(full); !errors.Is(got, syscall.ENOSPC) || !strings.HasPrefix(got.Error(), "no space left on device; the file system at / has ") {
		t.Errorf("%v", got)
	}
	if got := Reason(syscall.ENOSPC); got.Error() != syscall.ENOSPC.Error() {
		t.Errorf("of no path: %v", got)
	}
}
