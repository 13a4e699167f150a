package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// typedShell is what completes in a shell: how it is started, and what somebody has in its
// configuration.
type typedShell struct {
	name, start, setup string
}

// screen is what a terminal has shown so far.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// Somebody types half of a word and the tabulator, in each of the shells, and return: what
// runs is what was meant, commands, flags, values and the names of apps.
func TestCompletionInRealShells(t *testing.T) {
	if testing.Short() {
		t.Skip("starts shells")
	}
	program, err := exec.LookPath("wsgid-fleet")
	if err != nil {
		t.Fatal(err)
	}
	for _, shell := range []typedShell{
		{"bash", "bash --norc -i", ". /usr/share/bash-completion/bash_completion; . %s"},
		{"zsh", "zsh -f -i", "autoload -Uz compinit; compinit -u -D; . %s; compdef _wsgid-fleet wsgid-fleet"},
		{"fish", "fish --no-config -i", "source %s"},
	} {
		t.Run(shell.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write := func(name, text string, mode os.FileMode) string {
				t.Helper()
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), mode); err != nil {
					t.Fatal(err)
				}
				return path
			}
			// Completions come from the program; what is run at last is only shown.
			write("bin/wsgid-fleet", fmt.Sprintf("#!/bin/sh\ncase $1 in __complete*) exec %s \"$@\" ;; esac\necho \"RUNS: $*;\"\n", program), 0o755)
			for _, app := range []string{"blog", "shop"} {
				write("d/"+app+".hcl", fmt.Sprintf("app %q {\n  path = %q\n  wsgi_app = \"m:app\"\n  sockets {\n    http { listen = \"unix:%s/%s.sock\" }\n  }\n}\n", app, dir, dir, app), 0o644)
			}
			script, err := exec.CommandContext(t.Context(), program, "completion", shell.name).Output()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "script", "-qec", shell.start, "/dev/null")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":/usr/bin:/bin", "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_RUNTIME_DIR="+dir, "TERM=xterm", "LANG=C.UTF-8")
			var shown screen
			cmd.Stdout, cmd.Stderr = &shown, &shown
			keys, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			// A shell that ends writes its history into the folder: it is waited for.
			t.Cleanup(func() {
				defer time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }).Stop()
				_, _ = io.WriteString(keys, "\nexit\n")
				_ = cmd.Wait()
			})
			seen := 0
			types := func(text, want string) {
				t.Helper()
				if _, err := io.WriteString(keys, text); err != nil {
					t.Fatalf("%v\n%s", err, shown.String())
				}
				await.True(t, fmt.Sprintf("%q after %q", want, text), func() bool {
					i := strings.Index(shown.String()[seen:], want)
					if i >= 0 {
						seen += i + len(want)
					}
					return i >= 0
				}, func() any { return shown.String() })
			}
			types(fmt.Sprintf(shell.setup, write("script", string(script), 0o644))+"\n", "")
			types("echo re''ady\n", "ready")
			types("wsgid-fleet vers\t\n", "RUNS: version;")
			types("wsgid-fleet status --wat\t\n", "RUNS: status --watch;")
			types("wsgid-fleet status -o wi\t\n", "RUNS: status -o wide;")
			types("wsgid-fleet completion fi\t\n", "RUNS: completion fish;")
			types("wsgid-fleet restart --dir d sh\t\n", "RUNS: restart --dir d shop;")
			types("wsgid-fleet restart --dir d shop bl\t\n", "RUNS: restart --dir d shop blog;")
		})
	}
}
