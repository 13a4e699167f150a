package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// Maps of files of uWSGI, in orders and with urls made by chance, answer the same bytes
// when they have moved in, or the import has said in what they differ.
func TestStaticMapsMoveIn(t *testing.T) {
	b := newBed(t, account{})
	if _, err := exec.LookPath("uwsgi-core"); err != nil {
		t.Fatalf("%v: install uwsgi-core and uwsgi-plugin-python3", err)
	}
	b.must(os.RemoveAll(b.specs))
	b.must(os.Mkdir(b.specs, 0o755))
	b.write("wsgid.d/defaults.hcl", fmt.Sprintf("defaults {\n  root = %q\n}\n", filepath.Join(b.dir, "apps")))
	home := filepath.Join(b.dir, "home")
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(home, name)
		b.must(os.MkdirAll(filepath.Dir(path), 0o755))
		b.must(os.WriteFile(path, []byte(text), 0o644))
	}
	put("web.py", "def app(environ, start_response):\n    start_response('200 OK', [('Content-Type', 'text/plain')])\n    return [b'the app']\n")
	for folder, files := range map[string]string{"one": "f.txt b/f.txt b/only-one.txt x.txt", "two": "f.txt a/b/f.txt only-two.txt", "root": "f.txt a/f.txt a/b/f.txt b/f.txt ab/f.txt", "three": "a/f.txt a/b/f.txt a/only-three.txt"} {
		for name := range strings.FieldsSeq(files) {
			put(folder+"/"+name, folder+"/"+name)
		}
	}
	urls := strings.Fields("/ /f.txt /x.txt /a/f.txt /a/b/f.txt /ab/f.txt /a/x.txt /a/b/only-one.txt /a/only-two.txt /a/b/only-two.txt /a/only-three.txt /b/f.txt /none /a/none /a/b/none")

	rng := rand.New(rand.NewPCG(20, 14))
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	const count = 10
	var inis, addresses []string
	for i := range count {
		address := freeport.Addr(t)
		ini := fmt.Sprintf("[uwsgi]\nplugin = python3\nchdir = %s\nmodule = web:app\nhttp-socket = %s\n", home, address)
		if i == 0 {
			ini += "static-map = /a=HOME/one\n"
		}
		for range min(i, 1+rng.IntN(3)) {
			ini += pick("static-map = /a=HOME/one\n", "static-map = /a=HOME/two\n", "static-map = /a/b=HOME/two\n", "static-map = /a/=HOME/one\n", "static-map = /=HOME/root\n", "static-map2 = /a=HOME/three\n", "check-static = HOME/root\n", "static-map = /b=root\n")
		}
		name := fmt.Sprintf("maps/m%d.ini", i)
		put(name, strings.ReplaceAll(ini, "HOME", home))
		inis, addresses = append(inis, ini), append(addresses, address)
	}
	ask := func(address string) map[string]string {
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
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, "uwsgi-core", "--emperor", filepath.Join(home, "maps"), "--die-on-term")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	b.must(cmd.Start())
	var before []map[string]string
	for _, address := range addresses {
		before = append(before, ask(address))
	}
	cancel()
	_ = cmd.Wait()

	said := b.fleet("import", "--write", filepath.Join(home, "maps"))
	if out := b.fleet("apply"); out.code != 0 {
		t.Fatalf("%v\n%v%s", said, out, b.logs())
	}
	same := 0
	for i, address := range addresses {
		after := ask(address)
		named := strings.Contains(said.stderr, fmt.Sprintf(" m%d: m%d.ini:", i, i))
		spec, err := os.ReadFile(filepath.Join(b.specs, fmt.Sprintf("m%d.hcl", i)))
		b.must(err)
		for _, url := range urls {
			switch {
			case before[i][url] == after[url]:
				same++
			case strings.HasPrefix(url, "/ab") && strings.Contains(string(spec), "uWSGI went by bytes, and took /ax"):
			case !named:
				t.Errorf("%s: %q was %q, and nothing is said\n%s\n%s", url, after[url], before[i][url], inis[i], said.stderr)
			}
		}
	}
	t.Logf("%d of %d answers are the same", same, count*len(urls))
	if same < count*len(urls)*2/3 {
		t.Errorf("%d of %d answers are the same\n%s", same, count*len(urls), said.stderr)
	}
	if out := b.fleet("stop", "--all"); out.code != 0 {
		t.Error(out)
	}
}
