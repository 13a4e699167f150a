package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestDefaultStateDir(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/7")
	t.Setenv("TMPDIR", "/somewhere")
	want := "/run/user/7/wsgid"
	without := filepath.Join("/somewhere", fmt.Sprintf("wsgid-%d", os.Geteuid()))
	if os.Geteuid() == 0 {
		want, without = "/run/wsgid", "/run/wsgid"
	}
	if got := DefaultStateDir(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	if got := DefaultStateDir(); got != without {
		t.Errorf("got %s, want %s", got, without)
	}
}
