package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
	"github.com/wsgid-fleet/wsgid-fleet/runner/master"
)

// asCommand makes the test binary be the command.
const asCommand = "WSGID_TEST_COMMAND"

func TestMain(m *testing.M) {
	master.Main() // masters and workers' first stages of the tests
	if os.Getenv(asCommand) != "" {
		os.Unsetenv(asCommand)
		main()
	}
	os.Exit(m.Run())
}

const nobody = 65534

// site is an app folder and a state directory of a test's own.
type site struct {
	t     *testing.T
	dir   string // app folder
	state string
}

func newSite(t *testing.T) *site {
	t.Helper()
	tmp, err := os.MkdirTemp("", "w")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, dir: filepath.Join(tmp, "blog"), state: filepath.Join(tmp, "s")}
	t.Cleanup(func() {
		s.run("stop", "--send-signal=KILL")
		os.RemoveAll(tmp)
	})
	return s
}

// newApp is a site with an application that says hello.
func newApp(t *testing.T) *site {
	t.Helper()
	if testing.Short() {
		t.Skip("starts masters and Python workers")
	}
	s := newSite(t)
	s.ok("init")
	s.write("app/hello.py", `
import os
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("hello from %d of %d" % (os.getpid(), os.geteuid())).encode()]
`)
	s.own()
	return s
}

// own gives the folder to nobody where the tests run as root.
func (s *site) own() {
	s.t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	err := filepath.Walk(s.dir, func(path string, _ os.FileInfo, err error) error {
		return errors.Join(err, os.Lchown(path, nobody, nobody))
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) read(name string) string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// run runs a command line on the site, and returns what it wrote with the
// folder as DIR.
func (s *site) run(args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	var out, errs bytes.Buffer
	c := &cli{out: &out, err: &errs}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	code = c.execute(ctx, append(args, "--app-path="+s.dir, "--state-dir="+s.state))
	return code, s.plain(out.String()), s.plain(errs.String())
}

func (s *site) plain(text string) string { return strings.ReplaceAll(text, s.dir, "DIR") }

// ok runs a command line that must go well without a word of complaint.
func (s *site) ok(args ...string) string {
	s.t.Helper()
	code, out, errs := s.run(args...)
	if code != 0 || errs != "" {
		s.t.Fatalf("wsgid %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// fails runs a command line that must fail so.
func (s *site) fails(code int, want string, args ...string) {
	s.t.Helper()
	got, out, errs := s.run(args...)
	if got != code || out != "" || errs != want {
		s.t.Errorf("wsgid %s: exit %d, want %d\ngot  %s%s\nwant %s", strings.Join(args, " "), got, code, out, errs, want)
	}
}

// listen makes the app listen on HTTP, and returns its address.
func (s *site) listen() string {
	s.t.Helper()
	address := freeport.Addr(s.t)
	var conf map[string]any
	b, err := os.ReadFile(filepath.Join(s.dir, "wsgid.json"))
	if err == nil {
		err = json.Unmarshal(b, &conf)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	if conf == nil {
		conf = map[string]any{}
	}
	conf["fleet"] = map[string]any{"sockets": map[string]any{"http": []any{map[string]any{"listen": address}}}}
	if b, err = json.Marshal(conf); err != nil {
		s.t.Fatal(err)
	}
	s.write("wsgid.json", string(b))
	s.own()
	return address
}

var helloText = regexp.MustCompile(`^hello from (\d+) of (\d+)$`)

// get asks the app, and returns the worker's pid and user.
func get(t *testing.T, address string) (pid, uid int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	m := helloText.FindStringSubmatch(string(b))
	if err != nil || m == nil {
		t.Fatalf("%s answers %s %q, %v", address, resp.Status, b, err)
	}
	pid, _ = strconv.Atoi(m[1])
	uid, _ = strconv.Atoi(m[2])
	return pid, uid
}

// pids are the process numbers that status prints in a line.
func pids(t *testing.T, status, line string) []int {
	t.Helper()
	for l := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(l), line+" pid(s):"); ok {
			var out []int
			for _, w := range strings.FieldsFunc(rest, func(r rune) bool { return r == ',' || r == ' ' }) {
				n, err := strconv.Atoi(strings.TrimSuffix(w, "(dead)"))
				if err != nil {
					t.Fatalf("status prints %q", l)
				}
				out = append(out, n)
			}
			return out
		}
	}
	t.Fatalf("status prints no %s pids:\n%s", line, status)
	return nil
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	await.True(t, what, ok)
}

// ordinary runs the calling test once more as an ordinary user where the suite
// runs as root, so that each test sees both.
func ordinary(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	dir, err := os.MkdirTemp("", "w")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "test")
	b, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = errors.Join(os.Chmod(dir, 0o755), os.WriteFile(bin, b, 0o755)) //nolint:gosec // another user runs it
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "-test.run=^"+t.Name()+"$", "-test.timeout=290s")
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/", "TMPDIR=/tmp"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	cmd.WaitDelay = time.Minute
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("as an ordinary user: %v\n%s", err, out)
	}
}

// command is a process of its own that runs a command line on the site.
func (s *site) command(args ...string) *exec.Cmd {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), os.Args[0], append(args, "--app-path="+s.dir, "--state-dir="+s.state)...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	return cmd
}

// instances are the names in the state directory.
func (s *site) instances() string {
	s.t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.state, "apps"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	return fmt.Sprint(entries)
}
