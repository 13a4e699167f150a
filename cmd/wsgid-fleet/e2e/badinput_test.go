package e2e

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A mistake in one app: what the operator reads, and that the other app does
// not notice. BED, PORT and the like are put into want as they are in the run.
type mistake struct {
	name  string
	make  func(b *bed) // leaves a mistake behind in the bed
	want  string       // on stderr of apply, whole lines
	plain bool         // the file does not load: validate says it too, and exits 1
}

const goodApp = `app "bad" {
  path     = "BED/bad"
  wsgi_app = "app:application"

  sockets {
    http {
      listen = "PORT"
    }
  }
}
`

// bad writes bad.hcl and an app that would do.
func (b *bed) bad(edits ...string) {
	b.t.Helper()
	app := filepath.Join(b.demo, "bad/app")
	b.must(os.MkdirAll(app, 0o755))
	b.must(os.WriteFile(filepath.Join(app, "app.py"), []byte("def application(environ, start_response):\n    start_response('200 OK', [])\n    return []\n"), 0o644))
	for _, dir := range []string{filepath.Dir(app), app} {
		if b.who.apps != nil {
			b.must(os.Chown(dir, int(b.who.apps.Uid), int(b.who.apps.Gid)))
		}
	}
	text := strings.NewReplacer("BED", b.demo, "PORT", freePort(b.t)).Replace(goodApp)
	b.write("wsgid.d/bad.hcl", strings.NewReplacer(edits...).Replace(text))
}

var mistakes = []mistake{
	{
		name:  "broken spec",
		make:  func(b *bed) { b.bad(`"app:application"`, `"app:application`) },
		want:  "",
		plain: true,
	},
	{
		name:  "unknown attribute",
		make:  func(b *bed) { b.bad("wsgi_app", "wsgi_ap") },
		want:  "",
		plain: true,
	},
	{
		name: "unreadable file",
		make: func(b *bed) {
			// Root reads everything that is there.
			b.must(os.Symlink("nowhere", filepath.Join(b.specs, "bad.hcl")))
		},
		want:  "",
		plain: true,
	},
	{
		name: "code that does not import",
		make: func(b *bed) {
			b.bad()
			b.must(os.WriteFile(filepath.Join(b.demo, "bad/app/app.py"), []byte("import nothing_of_that_name\n"), 0o644))
		},
		want: "",
	},
	{
		name: "port already taken",
		make: func(b *bed) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			b.must(err)
			b.t.Cleanup(func() { l.Close() })
			b.bad()
			b.rewrite("wsgid.d/bad.hcl", portOf(b, "bad.hcl"), l.Addr().String())
		},
		want: "",
	},
	{
		name: "no such python",
		make: func(b *bed) { b.bad("  wsgi_app", "  python = \"/opt/none/python3\"\n  wsgi_app") },
		want: "",
	},
	{
		name: "no such user",
		make: func(b *bed) { b.bad("  wsgi_app", "  user = \"nobody_of_that_name\"\n  wsgi_app") },
		want: "",
	},
}

// portOf reads the listen attribute of a spec.
func portOf(b *bed, name string) string {
	b.t.Helper()
	text, _ := os.ReadFile(filepath.Join(b.specs, name)) // it may be a file that cannot be read
	_, rest, _ := strings.Cut(string(text), `listen = "`)
	listen, _, _ := strings.Cut(rest, `"`)
	return listen
}

func TestMistakes(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		b := newBed(t, who)
		b.only("hello")
		b.ok("apply")
		before := b.await("hello", "ready", 2)
		for _, m := range mistakes {
			t.Run(m.name, func(t *testing.T) {
				b := *b
				b.t = t
				t.Cleanup(func() {
					os.Remove(filepath.Join(b.specs, "bad.hcl"))
					b.ok("apply")
				})
				m.make(&b)
				want := strings.NewReplacer("BED", b.demo, "PORT", portOf(&b, "bad.hcl")).Replace(m.want)
				out := b.fleet("apply")
				if out.code != 1 || !strings.Contains(out.stderr, want) || want == "" {
					t.Errorf("apply: %v\nwant exit 1 and on stderr\n%s", out, want)
				}
				if m.plain {
					if out := b.fleet("validate"); out.code != 1 || !strings.Contains(out.stdout+out.stderr, want) {
						t.Errorf("validate: %v\nwant exit 1 and\n%s", out, want)
					}
				}
				if out := b.fleet("status"); out.code != 3 {
					t.Errorf("status with a broken app: %v", out)
				}
				if now := b.await("hello", "ready", 2); !slices.Equal(now.pids(), before.pids()) {
					t.Errorf("hello's processes %v became %v", before.pids(), now.pids())
				}
				wantAnswer(t, b.hello, "/", "Hello from worker ")
			})
		}
	})
}

func TestMissingSpecDirectory(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		b := newBed(t, who)
		b.specs = filepath.Join(b.dir, "none")
		for _, command := range []string{"run", "validate", "plan", "apply", "status"} {
			out := b.fleet(command)
			want := ""
			if out.code != 1 || out.stderr != want || want == "" {
				t.Errorf("%s: %v\nwant exit 1 and on stderr\n%s", command, out, want)
			}
		}
	})
}
