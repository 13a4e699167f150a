package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/componenttest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// Maps of files of uWSGI, in orders and with urls made by chance, answer the same bytes
// when they have moved in, or the import has said in what they differ.
func TestStaticMapsMoveIn(t *testing.T) {
	t.Parallel()
	b, home, put := emptyBed(t)
	uwsgi := componenttest.Program(t, "uwsgi")
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
	before := answersOfPeer(b, addresses, urls, uwsgi, "--emperor", filepath.Join(home, "maps"), "--die-on-term")

	said := b.fleet("import", "--write", filepath.Join(home, "maps"))
	if out := b.fleet("apply"); out.code != 0 {
		t.Fatalf("%v\n%v%s", said, out, b.logs())
	}
	same := 0
	for i, address := range addresses {
		after := answersOf(t, address, urls)
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
