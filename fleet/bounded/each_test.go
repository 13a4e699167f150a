package bounded

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// Among many paths some do not answer: those alone fail, each for itself, and they are not
// waited for again until they have answered.
func TestEachGivesUpThoseThatDoNotAnswer(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for i := range 100 {
		path := filepath.Join(dir, strconv.Itoa(i))
		if i%40 == 20 {
			if err := unix.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(path, []byte(strconv.Itoa(i)), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	f := &Fs{Fs: afero.NewOsFs(), Limit: 3 * time.Second} // this machine may stand still for a moment
	read := func() (late []int) {
		t.Helper()
		texts, errs := make([]string, len(paths)), make([]error, len(paths))
		Each(f, "read", paths, func(i int) (string, error) {
			b, err := os.ReadFile(paths[i])
			return string(b), err
		}, func(i int, text string, err error) {
			if texts[i], errs[i] = texts[i]+text, errors.Join(errs[i], err); texts[i] == "" && err == nil {
				texts[i] = "an empty one"
			}
		})
		for i, err := range errs {
			switch {
			case errors.Is(err, ErrNoAnswer):
				late = append(late, i)
			case err != nil || texts[i] != strconv.Itoa(i) && i%40 != 20:
				t.Errorf("%d: %q, %v", i, texts[i], err)
			}
		}
		return late
	}
	for range 2 {
		if late := read(); !slices.Equal(late, []int{20, 60}) {
			t.Errorf("late are %v", late)
		}
	}
	if _, err := f.Stat(paths[20]); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("one is asked while somebody waits for it: %v", err)
	}
	for _, i := range []int{20, 60} { // they answer
		w, err := os.OpenFile(paths[i], os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(paths[i]); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(paths[i], []byte(strconv.Itoa(i)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteString("x"); err != nil {
			t.Fatal(err)
		}
		w.Close()
	}
	await.True(t, "all to be read", func() bool { return read() == nil })
}

// What StatEach and ReadlinkEach say is what Stat and Readlink say of each path.
func TestEachSaysWhatOneSays(t *testing.T) {
	dir := t.TempDir()
	f := &Fs{Fs: afero.NewOsFs(), Limit: 10 * time.Second}
	var paths []string
	for i := range 40 {
		path := filepath.Join(dir, strconv.Itoa(i))
		var err error
		switch i % 4 {
		case 0:
			err = os.WriteFile(path, make([]byte, i), 0o600)
		case 1:
			err = os.Symlink(filepath.Join(dir, strconv.Itoa(i-1)), path)
		case 2:
			err = os.Symlink("nowhere", path)
		}
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	type said struct {
		text  string
		fault error
	}
	plain := func(err error) error {
		if pe, ok := errors.AsType[*os.PathError](err); ok {
			return pe.Err
		}
		return err
	}
	size := func(fi os.FileInfo, err error) said {
		if err != nil {
			return said{"", plain(err)}
		}
		return said{strconv.FormatInt(fi.Size(), 10) + fi.Mode().String(), nil}
	}
	stats, links := make([]said, len(paths)), make([]said, len(paths))
	f.StatEach(paths, func(i int, fi os.FileInfo, err error) { stats[i] = size(fi, err) })
	f.ReadlinkEach(paths, func(i int, to string, err error) { links[i] = said{to, plain(err)} })
	for i, path := range paths {
		if want := size(f.Stat(path)); stats[i] != want {
			t.Errorf("stat of %d: %v, not %v", i, stats[i], want)
		}
		to, err := f.ReadlinkIfPossible(path)
		if want := (said{to, plain(err)}); links[i] != want {
			t.Errorf("readlink of %d: %v, not %v", i, links[i], want)
		}
	}
}
