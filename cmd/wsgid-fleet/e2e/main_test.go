package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// kit is what all tests share: the program and a copy of the quickstart, in a
// folder that every user can read (the checkout may be in a private home).
var kit struct {
	dir   string
	fleet string // bin/wsgid-fleet
	run   string // examples/quickstart/run
	guide string // examples/deploy/run
}

func TestMain(m *testing.M) {
	if text := os.Getenv(h2specEnv); text != "" {
		if err := playH2spec(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if signal.Ignored(os.Interrupt) { // in the background of a script: our children shall hear of it
		signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	defer func() {
		if kit.dir != "" {
			os.RemoveAll(kit.dir)
		}
	}()
	return m.Run()
}

// needKit makes the kit for the first test that needs it.
func needKit(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts masters and Python workers")
	}
	if err := buildKit(); err != nil {
		t.Fatal(err)
	}
}

var buildKit = sync.OnceValue(func() error {
	dir, err := os.MkdirTemp("/tmp", "w")
	if err != nil {
		return err
	}
	return makeKit(dir)
})

func makeKit(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	kit.dir = dir
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	top, err := filepath.Abs("../../..")
	if err != nil {
		return err
	}
	kit.fleet = filepath.Join(dir, "bin/wsgid-fleet")
	kit.run = filepath.Join(dir, "examples/quickstart/run")
	kit.guide = filepath.Join(dir, "examples/deploy/run")
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		return err
	}
	// Without npm there is no browser either, and tests of one say why.
	modules := exec.CommandContext(ctx, "make", "-s", "modules")
	modules.Dir = top
	_ = modules.Run()
	if err := build(ctx, top, kit.fleet); err != nil {
		return err
	}
	for _, name := range []string{"examples/quickstart", "examples/deploy", "examples/gate"} {
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(top, name))); err != nil {
			return fmt.Errorf("cannot copy %s: %w", name, err)
		}
	}
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		mode := info.Mode().Perm()
		return os.Chmod(path, mode|0o444|mode&0o100>>3|mode&0o100>>6)
	})
}

// build makes wsgid-fleet, at that path, and wsgid-master beside it.
func build(ctx context.Context, top, fleet string, flags ...string) error {
	args := append(append([]string{"build"}, flags...), "-o", filepath.Dir(fleet), "./cmd/wsgid-fleet", "./cmd/wsgid-master")
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = top
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build the programs: %w\n%s", err, out)
	}
	return nil
}
