package bounded

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// A FIFO that nobody writes to is a disk that does not answer: open waits.
func TestDiskThatDoesNotAnswer(t *testing.T) {
	dir := t.TempDir()
	fifo, good := filepath.Join(dir, "fifo"), filepath.Join(dir, "good")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(good, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := &Fs{Fs: afero.NewOsFs(), Limit: 3 * time.Second} // this machine may stand still for a moment
	var answers atomic.Int32
	f.OnAnswer(func() { answers.Add(1) })
	began := time.Now()
	for range 50 { // only the first waits
		if _, err := f.Open(fifo); !errors.Is(err, ErrNoAnswer) {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("50 questions took %v", took)
	}
	if b, err := afero.ReadFile(f, good); err != nil || string(b) != "text" {
		t.Errorf("another file: %q, %v", b, err)
	}
	if n := answers.Load(); n != 0 {
		t.Errorf("%d answers are told of a disk that gives none", n)
	}
	// It answers again: the one that waited goes, and the file is readable.
	w, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	await.True(t, "the answer to be told", func() bool { return answers.Load() == 1 })
	var file afero.File
	await.Nil(t, await.Patience, "the file to be opened", func() error { file, err = f.Open(fifo); return err })
	// Now it is the read that waits.
	if _, err := file.Read(make([]byte, 1)); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("read: %v", err)
	}
}
