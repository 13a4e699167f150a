package docs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/mongrel2test"
)

// place is where a document's commands are typed: a folder with a var of its
// own, and both programs on PATH.
type place struct {
	t   *testing.T
	dir string
	m2  *mongrel2test.Server // nil: HTTP is spoken directly
	web string               // host:port that get asks
}

func newPlace(t *testing.T) *place {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "w")
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t: t, dir: dir}
	t.Cleanup(p.remove)
	p.must(os.Chmod(dir, 0o755))
	for _, name := range []string{"bin", "run", "var", "var/wsgid", "home"} {
		p.must(os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	p.must(os.Mkdir(filepath.Join(dir, "wsgid.d"), 0o755))
	// Root's state directory is one of the machine; an ordinary user's follows
	// XDG_RUNTIME_DIR.
	for _, name := range []string{"wsgid", "wsgid-fleet"} {
		script := fmt.Sprintf("#!/bin/sh\nexec %s/programs/%s \"$@\"", kit, name)
		if os.Geteuid() == 0 {
			script += " --state-dir=" + dir + "/run/wsgid"
		}
		if name == "wsgid-fleet" {
			script += " --dir=" + dir + "/wsgid.d"
		}
		p.must(os.WriteFile(filepath.Join(dir, "bin", name), []byte(script+"\n"), 0o755)) //nolint:gosec // it is run
	}
	return p
}

func (p *place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// path is a path of the document's.
func (p *place) path(name string) string { return p.dir + name }

// here replaces the document's paths and endpoints by those of the place.
func (p *place) here(text string) string {
	text = regexp.MustCompile(`(^|[\s=":'(])/var/`).ReplaceAllString(text, "${1}"+p.dir+"/var/")
	if p.m2 != nil {
		text = strings.NewReplacer("RECV", p.m2.Handlers[0].Recv, "SEND", p.m2.Handlers[0].Send).Replace(text)
	}
	return text
}

// there is here's inverse, for what a program printed.
func (p *place) there(text string) string { return strings.ReplaceAll(text, p.dir, "") }

type result struct {
	code   int
	stdout string
	stderr string
}

// try types shell commands.
func (p *place) try(script string) result {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-e", "-c", p.here(script))
	cmd.Dir = p.path("/home")
	cmd.Env = []string{"PATH=" + p.path("/bin") + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + p.path("/home"), "LANG=C.UTF-8", "XDG_RUNTIME_DIR=" + p.path("/run"), "NO_COLOR=1"}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Minute
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatalf("%s: %v\n%s%s", script, err, &stdout, &stderr)
	}
	return result{cmd.ProcessState.ExitCode(), p.there(stdout.String()), p.there(stderr.String())}
}

// sh types shell commands that must go well without a complaint.
func (p *place) sh(script string) string {
	p.t.Helper()
	r := p.try(script)
	if r.code != 0 || r.stderr != "" {
		p.t.Fatalf("%s\nexit %d\n%s%s%s", script, r.code, r.stdout, r.stderr, p.logs())
	}
	return r.stdout
}

// fails types shell commands that must fail with this on standard error.
func (p *place) fails(code int, want, script string) {
	p.t.Helper()
	r := p.try(script)
	if r.code != code || r.stderr != want || r.stdout != "" {
		p.t.Errorf("%s\nexit %d, want %d\n--- got\n%s%s--- want\n%s", script, r.code, code, r.stdout, r.stderr, want)
	}
}

// write makes a file; name is a path of the document's.
func (p *place) write(name, text string) {
	p.t.Helper()
	path := p.path(name)
	p.must(os.MkdirAll(filepath.Dir(path), 0o755))
	p.must(os.WriteFile(path, []byte(p.here(strings.TrimPrefix(text, "\n"))), 0o644))
}

func (p *place) read(name string) string {
	p.t.Helper()
	b, err := os.ReadFile(p.path(name))
	p.must(err)
	return string(b)
}

// give gives an app folder to the user of the app, as whoever deploys does.
func (p *place) give(name string) {
	p.t.Helper()
	if os.Geteuid() == 0 {
		p.sh("chown -R www-data: /var" + strings.TrimPrefix(name, "/var"))
	}
}

// init makes an app folder and gives it to a user.
func (p *place) init(name string) {
	p.t.Helper()
	p.sh("wsgid init --app-path=" + name + " >/dev/null")
	p.give(name)
}

// mongrel2 starts a server with one handler.
func (p *place) mongrel2(o mongrel2test.Options) {
	p.t.Helper()
	if o.Handlers == nil {
		o.Handlers = []mongrel2test.Handler{{Recv: "tcp://" + freeport.Addr(p.t), Send: "tcp://" + freeport.Addr(p.t)}}
	}
	p.m2 = mongrel2test.Start(p.t, o)
	p.web = p.m2.Addr
}

// listen gives the app HTTP sockets in its wsgid.json, for what does not need
// mongrel2. more are further keys of that file, as JSON.
func (p *place) listen(name, more string) {
	p.t.Helper()
	p.web = freeport.Addr(p.t)
	p.write(name+"/wsgid.json", `{"fleet": {"sockets": {"http": [{"listen": "`+p.web+`"}]}}`+more+`}`)
	p.give(name)
}

// ask sends one request and returns the response and its body.
func (p *place) ask(method, path string, body io.Reader) (*http.Response, string, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+p.web+path, body)
	if err != nil {
		return nil, "", err
	}
	req.Close = true
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

// get asks the app until it answers.
func (p *place) get(path string) (*http.Response, string) {
	p.t.Helper()
	var resp *http.Response
	var body string
	if err := await.Ask(await.Patience, func() (err error) { resp, body, err = p.ask(http.MethodGet, path, nil); return err }); err != nil {
		p.t.Fatalf("%s does not answer: %v\n%s", path, err, p.logs())
	}
	return resp, body
}

// wants asks for a path and wants a body.
func (p *place) wants(path, body string) {
	p.t.Helper()
	resp, got := p.get(path)
	if resp.StatusCode != http.StatusOK || got != body {
		p.t.Errorf("%s: %s %q, want %q\n%s", path, resp.Status, got, body, p.logs())
	}
}

// logs are those of all apps, for the report of a failed test.
func (p *place) logs() string {
	var all strings.Builder
	files, _ := filepath.Glob(p.path("/var/wsgid/*/logs/wsgid.log"))
	for _, name := range files {
		b, _ := os.ReadFile(name)
		fmt.Fprintf(&all, "--- %s\n%s", p.there(name), p.there(string(b)))
	}
	return all.String()
}

// log is what an app has logged, paths as the document has them.
func (p *place) log(name string) string {
	p.t.Helper()
	return p.there(p.read(name + "/logs/wsgid.log"))
}

// awaitLog waits until the app has logged a text.
func (p *place) awaitLog(name, text string) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%q in the log of %s", text, name), func() bool { return strings.Contains(p.log(name), text) })
}

// pids are the process numbers of a folder's pid files.
func (p *place) pids(name, kind string) []int {
	p.t.Helper()
	entries, err := os.ReadDir(p.path(name + "/pid/" + kind))
	p.must(err)
	var pids []int
	for _, e := range entries {
		n, err := strconv.Atoi(strings.TrimSuffix(e.Name(), ".pid"))
		p.must(err)
		b, err := os.ReadFile(p.path(name + "/pid/" + kind + "/" + e.Name()))
		got := strings.TrimSpace(string(b))
		if errors.Is(err, fs.ErrNotExist) || err == nil && got == "" {
			continue // it goes, or comes, this moment
		}
		p.must(err)
		if got != strconv.Itoa(n) {
			p.t.Errorf("%s holds %q", e.Name(), got)
		}
		pids = append(pids, n)
	}
	slices.Sort(pids)
	return pids
}

// remove ends all processes of the place, and deletes it.
func (p *place) remove() {
	if p.t.Failed() {
		p.t.Log(p.logs())
	}
	mine := func() (pids []int) {
		dirs, _ := filepath.Glob("/proc/[0-9]*")
		for _, d := range dirs {
			pid, _ := strconv.Atoi(filepath.Base(d))
			line, _ := os.ReadFile(d + "/cmdline")
			root, _ := os.Readlink(d + "/cwd")
			state, _ := os.ReadFile(d + "/environ")
			if strings.Contains(string(line), p.dir+"/") || strings.HasPrefix(root, p.dir) || strings.Contains(string(state), p.dir) {
				pids = append(pids, pid)
			}
		}
		return pids
	}
	for _, record := range p.records() {
		_ = syscall.Kill(record, syscall.SIGKILL) // its workers die with it
	}
	eventually(p.t, "the end of what the test started", func() bool {
		left := mine()
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL) // they hold the place's path, which is the test's own
		}
		return len(left) == 0
	})
	if err := os.RemoveAll(p.dir); err != nil {
		p.t.Error(err)
	}
}

// records are the masters that the state directory names.
func (p *place) records() []int {
	files, _ := filepath.Glob(p.path("/run/wsgid/apps/*/master-*.json"))
	var pids []int
	for _, f := range files {
		pid, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f), "master-"), ".json"))
		if err != nil {
			continue
		}
		title, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if strings.HasPrefix(string(title), "wsgid: master ") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// alive tells whether a process runs; one that nobody has collected yet does not.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	return len(fields) > 0 && fields[0] != "Z" && fields[0] != "X"
}

// kill sends a signal by its name.
func kill(t *testing.T, pid int, name string) {
	t.Helper()
	if err := exec.CommandContext(t.Context(), "kill", "-"+name, strconv.Itoa(pid)).Run(); err != nil {
		t.Fatalf("cannot send %s to %d: %v", name, pid, err)
	}
}

// wwwData is the user to whom give gives folders.
func wwwData(t *testing.T) int {
	t.Helper()
	u, err := user.Lookup("www-data")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		t.Fatal(err)
	}
	return uid
}

func itoa(n int) string { return strconv.Itoa(n) }

func atoi(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
