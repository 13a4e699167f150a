package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// emptyBed has no specs yet, and puts what a peer serves into home.
func emptyBed(t *testing.T) (b *harness, home string, put func(name, text string)) {
	t.Helper()
	b = newHarness(t, account{})
	b.must(os.RemoveAll(b.specs))
	b.must(os.Mkdir(b.specs, 0o755))
	b.write("wsgid.d/defaults.hcl", fmt.Sprintf("defaults {\n  root = %q\n}\n", filepath.Join(b.dir, "apps")))
	home = filepath.Join(b.dir, "home")
	return b, home, func(name, text string) {
		t.Helper()
		path := filepath.Join(home, name)
		b.must(os.MkdirAll(filepath.Dir(path), 0o755))
		b.must(os.WriteFile(path, []byte(text), 0o644))
	}
}

// answersOf are what an address answers by url: the body, or the status that is none of 200.
func answersOf(t *testing.T, address string, urls []string) map[string]string {
	t.Helper()
	answers := map[string]string{}
	for _, url := range urls {
		eventually(t, patience, address+url, func() error {
			code, body, err := get(address, url)
			if err == nil && code != http.StatusOK {
				body = fmt.Sprint(code)
			}
			answers[url] = body
			return err
		})
	}
	return answers
}

// answersOfPeer are those of each address while a peer serves them.
func answersOfPeer(b *harness, addresses, urls []string, program string, args ...string) []map[string]string {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	b.must(cmd.Start())
	var answers []map[string]string
	for _, address := range addresses {
		answers = append(answers, answersOf(b.t, address, urls))
	}
	cancel()
	_ = cmd.Wait()
	return answers
}
