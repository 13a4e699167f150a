package docs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// kitVariable names the folder of the programs to the tests that run as nobody.
const kitVariable = "WSGID_TEST_KIT"

const nobody = 65534

// kit is a folder with both programs, the examples and this test binary.
var kit = os.Getenv(kitVariable)

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	made := kit == ""
	defer func() {
		if made && kit != "" {
			os.RemoveAll(kit)
		}
	}()
	return m.Run()
}

var needKit = sync.OnceValue(func() error {
	if kit != "" {
		return nil
	}
	dir, err := os.MkdirTemp("/tmp", "w")
	if err != nil {
		return err
	}
	kit = dir
	top, err := filepath.Abs("../../..")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, "programs")+"/", "./cmd/wsgid", "./cmd/wsgid-fleet", "./cmd/wsgid-master")
	build.Dir = top
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build the programs: %w\n%s", err, out)
	}
	test, err := os.ReadFile(os.Args[0])
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "test"), test, 0o755); err != nil { //nolint:gosec // another user runs it
		return err
	}
	if err := os.CopyFS(filepath.Join(dir, "examples"), os.DirFS(filepath.Join(top, "examples"))); err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := os.Stat(path)
		if err != nil {
			return err
		}
		mode := fi.Mode().Perm()
		return os.Chmod(path, mode|0o444|mode&0o100>>3|mode&0o100>>6)
	})
})

// asEach runs a test as the user of the suite, and once more as nobody where
// that is root.
func asEach(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts masters and Python workers")
	}
	if err := needKit(); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		test(t)
		return
	}
	t.Run("root", test)
	t.Run("user", func(t *testing.T) {
		name, _, _ := strings.Cut(t.Name(), "/")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, filepath.Join(kit, "test"), "-test.run=^"+name+"$", "-test.timeout=290s")
		cmd.Dir = "/tmp"
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/", "TMPDIR=/tmp", kitVariable + "=" + kit,
			"WSGID_TEST_SKIP=" + os.Getenv("WSGID_TEST_SKIP")}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Pdeathsig: syscall.SIGKILL}
		cmd.WaitDelay = time.Minute
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("as an ordinary user: %v\n%s", errors.Join(err, context.Cause(ctx)), out)
		}
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	await.True(t, what, ok)
}
