package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// A mistake in one app: what the operator reads, and that the other app does
// not notice. DEMO, SPECS, PORT and USER stand in want for what they are in the run.
type mistake struct {
	name     string
	make     func(b *harness) // leaves a mistake behind in the harness
	want     string           // on stderr of apply
	says     string           // in status, and in logs of an app that has never served
	next     string           // what status says to do, where the reason is not the place for it
	invalid  bool             // the file does not load: validate says it too, and exits 1
	rootOnly bool             // the mistake exists for root, or for an ordinary user, alone
	userOnly bool
}

const goodApp = `app "bad" {
  path     = "DEMO/bad"
  wsgi_app = "app:application"

  sockets {
    http {
      listen = "PORT"
    }
  }
}
`

// bad writes bad.hcl and an app that would do.
func (b *harness) bad(edits ...string) {
	b.t.Helper()
	b.must(os.RemoveAll(filepath.Join(b.demo, "bad")))
	app := filepath.Join(b.demo, "bad/app")
	b.must(os.MkdirAll(app, 0o755))
	b.must(os.WriteFile(filepath.Join(app, "app.py"), []byte("def application(environ, start_response):\n    start_response('200 OK', [])\n    return []\n"), 0o644))
	for _, dir := range []string{filepath.Dir(app), app} {
		if b.who.apps != nil {
			b.must(os.Chown(dir, int(b.who.apps.Uid), int(b.who.apps.Gid)))
		}
	}
	text := strings.NewReplacer("DEMO", b.demo, "PORT", freeport.Addr(b.t)).Replace(goodApp)
	b.write("wsgid.d/bad.hcl", strings.NewReplacer(edits...).Replace(text))
}

var mistakes = []mistake{
	{
		name: "broken spec",
		make: func(b *harness) { b.bad(`"app:application"`, `"app:application`) },
		want: `SPECS/bad.hcl:3:14: error: the string that starts here has no closing quote
  3 |   wsgi_app = "app:application
    |              ^
  write: wsgi_app = "app:application"
`,
		next:    `write: wsgi_app = "app:application"`,
		invalid: true,
	},
	{
		name: "unknown attribute",
		make: func(b *harness) { b.bad("wsgi_app", "wsgi_ap") },
		want: `SPECS/bad.hcl:3:3: error: unknown attribute "wsgi_ap" in app "bad"
  3 |   wsgi_ap = "app:application"
    |   ^^^^^^^
  did you mean "wsgi_app"? write: wsgi_app = "app:application"
`,
		next:    `did you mean "wsgi_app"? write: wsgi_app = "app:application"`,
		invalid: true,
	},
	{
		name: "link to nowhere", // root reads every file that is there
		make: func(b *harness) { b.must(os.Symlink("nowhere", filepath.Join(b.specs, "bad.hcl"))) },
		want: `SPECS/bad.hcl: error: cannot read the file: it is a symlink to nowhere, which is not there
  remove the link or put its target back: until then the apps of this file keep running as they are
`,
		invalid: true,
	},
	{
		name: "unreadable file",
		make: func(b *harness) {
			b.bad()
			b.must(os.Chmod(filepath.Join(b.specs, "bad.hcl"), 0))
		},
		want:     "SPECS/bad.hcl: error: cannot read the file: ",
		invalid:  true,
		userOnly: true,
	},
	{
		name: "code that does not import",
		make: func(b *harness) {
			b.bad()
			b.must(os.WriteFile(filepath.Join(b.demo, "bad/app/app.py"), []byte("import nothing_of_that_name\n"), 0o644))
		},
		want: `wsgid-fleet: cannot apply bad: ModuleNotFoundError: No module named 'nothing_of_that_name'; next try in 1s
    Traceback (most recent call last):
      File "DEMO/bad/app/app.py", line 1, in <module>
        import nothing_of_that_name
    ModuleNotFoundError: No module named 'nothing_of_that_name'
`,
		next: "nothing_of_that_name is not installed for /usr/bin/python3: install it there, or name the app's virtualenv",
	},
	{
		name: "port already taken",
		make: func(b *harness) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			b.must(err)
			b.t.Cleanup(func() { l.Close() })
			b.bad()
			b.rewrite("wsgid.d/bad.hcl", portOf(b, "bad.hcl"), l.Addr().String())
		},
		want: "wsgid-fleet: cannot apply bad: cannot start master of bad: cannot listen on PORT: the port is taken by another process (ss -ltnp shows which)\n",
	},
	{
		name: "a module that is not there",
		make: func(b *harness) { b.bad("app:application", "nosuch:application") },
		want: `wsgid-fleet: cannot apply bad: ModuleNotFoundError: No module named 'nosuch'; next try in 1s
    wsgi_app names nosuch, and app/ holds app.py: correct wsgi_app, or add the module
`,
		says: "ModuleNotFoundError: No module named 'nosuch'",
		next: "wsgi_app names nosuch, and app/ holds app.py: correct wsgi_app, or add the module",
	},
	{
		name: "no such loader",
		make: func(b *harness) { b.bad(`wsgi_app = "app:application"`, `loader = "Zope"`) },
		want: `wsgid-fleet: cannot apply bad: there is no loader Zope; next try in 1s
    neither plugins/ nor loader_dirs holds a plugin loader; for any other application leave loader out and say wsgi_app = "module:attr"
`,
		says: "there is no loader Zope",
		next: `neither plugins/ nor loader_dirs holds a plugin loader; for any other application leave loader out and say wsgi_app = "module:attr"`,
	},
	{
		name: "no such virtualenv",
		make: func(b *harness) { b.bad("  wsgi_app", "  virtualenv = \"venv\"\n  wsgi_app") },
		want: `SPECS/bad.hcl:3:16: error: there is no Python in the virtualenv DEMO/bad/venv: it has neither bin/python3 nor bin/python
  3 |   virtualenv = "venv"
    |                ^^^^^^
  make it with: python3 -m venv DEMO/bad/venv
`,
		says:    "there is no Python in the virtualenv DEMO/bad/venv",
		invalid: true,
	},
	{
		name: "no such certificate",
		make: func(b *harness) {
			b.bad()
			listen := `listen = "` + portOf(b, "bad.hcl") + `"`
			b.rewrite("wsgid.d/bad.hcl", listen, listen+"\n      tls {\n        cert = \"/nonexistent/c.pem\"\n        key = \"/nonexistent/k.pem\"\n      }")
		},
		want: "wsgid-fleet: cannot apply bad: cannot start master of bad: cannot listen on PORT: cannot read certificate /nonexistent/c.pem: no such file or directory; put both files in place, in PEM format\n",
		says: "cannot read certificate /nonexistent/c.pem: no such file or directory",
	},
	{
		name: "no such python",
		make: func(b *harness) { b.bad("  wsgi_app", "  python = \"/opt/none/python3\"\n  wsgi_app") },
		want: `SPECS/bad.hcl:3:12: error: cannot use python /opt/none/python3: no such file
  3 |   python = "/opt/none/python3"
    |            ^^^^^^^^^^^^^^^^^^^
  write the path of an interpreter, CPython 3.8 or newer, such as "/usr/bin/python3"
`,
		invalid: true,
	},
	{
		name: "no such user",
		make: func(b *harness) { b.bad("  wsgi_app", "  user = \"nobody_of_that_name\"\n  wsgi_app") },
		want: `SPECS/bad.hcl:3:10: error: this host has no user nobody_of_that_name
  3 |   user = "nobody_of_that_name"
    |          ^^^^^^^^^^^^^^^^^^^^^
  name another one, or create it: useradd --system nobody_of_that_name
`,
		invalid:  true,
		rootOnly: true,
	},
	{
		name: "another user, without being root",
		make: func(b *harness) { b.bad("  wsgi_app", "  user = \"daemon\"\n  wsgi_app") },
		want: `SPECS/bad.hcl:3:10: error: the app cannot run as daemon: this is USER, not root
  3 |   user = "daemon"
    |          ^^^^^^^^
  leave user out, or let root run the fleet
`,
		invalid:  true,
		userOnly: true,
	},
}

// portOf reads the listen attribute of a spec.
func portOf(b *harness, name string) string {
	b.t.Helper()
	text, _ := os.ReadFile(filepath.Join(b.specs, name)) // it may be a file that cannot be read
	_, rest, _ := strings.Cut(string(text), `listen = "`)
	listen, _, _ := strings.Cut(rest, `"`)
	return listen
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		b := newHarness(t, who)
		b.only("hello")
		b.ok("apply")
		before := b.await("hello", "ready", 2)
		for _, m := range mistakes {
			if m.rootOnly && !who.root() || m.userOnly && who.root() {
				continue
			}
			t.Run(m.name, func(t *testing.T) {
				b := *b
				b.t = t
				t.Cleanup(func() {
					os.Remove(filepath.Join(b.specs, "bad.hcl"))
					b.ok("apply")
				})
				m.make(&b)
				want := strings.NewReplacer("DEMO", b.demo, "SPECS", b.specs, "PORT", portOf(&b, "bad.hcl"), "USER", who.name).Replace(m.want)
				out := b.fleet("apply")
				if out.code != 1 || !strings.Contains(out.stderr, want) {
					t.Errorf("apply: %v\nwant exit 1 and on stderr\n%s", out, want)
				}
				if m.invalid {
					if out := b.fleet("validate"); out.code != 1 || !strings.Contains(out.stdout+out.stderr, want) {
						t.Errorf("validate: %v\nwant exit 1 and\n%s", out, want)
					}
				}
				out = b.fleet("status")
				if out.code != 3 {
					t.Errorf("status with a broken app: %v", out)
				}
				if m.next != "" {
					app := b.fleet("status", "bad")
					if list := "\nnext: bad: " + m.next + "\n"; !strings.Contains(out.stdout, list) || !strings.Contains(app.stdout, "\nnext      "+m.next+"\n") {
						t.Errorf("status: %v\nof the app: %v\nwant in both %s", out, app, m.next)
					}
				}
				if m.says != "" {
					says := strings.ReplaceAll(m.says, "DEMO", b.demo)
					logs := b.fleet("logs", "bad")
					if !strings.Contains(out.stdout, says) || !strings.Contains(logs.stdout+logs.stderr, says) {
						t.Errorf("status: %v\nlogs: %v\nwant %s in both", out, logs, says)
					}
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
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		b := newHarness(t, who)
		b.only("hello")
		missing := filepath.Join(b.dir, "none")
		there := b.specs
		b.specs = missing
		say := "cannot read spec directory " + missing + ": no such directory: create it, or name another with --dir"
		keeps := "; until then nothing changes in the fleet\n"
		for _, c := range []struct {
			command string
			want    output
		}{
			{"validate", output{code: 1, stderr: "wsgid-fleet: " + say + "\n"}},
			{"plan", output{code: 1, stderr: "wsgid-fleet: " + say + keeps}},
			{"apply", output{code: 1, stderr: "wsgid-fleet: " + say + keeps}},
			{"status", output{code: 3, stdout: "no apps; no daemon runs\nbroken: " + say + keeps}},
		} {
			out := b.fleet(c.command)
			out.took = 0
			if out != c.want {
				t.Errorf("%s: %v\nwant %v", c.command, out, c.want)
			}
		}

		// The daemon says it and waits: the directory may be on its way.
		d := b.run()
		eventually(t, patience, "the daemon to say so", func() error {
			if !strings.Contains(d.text(), say) {
				return fmt.Errorf("it says %q, not %q", d.text(), say)
			}
			return nil
		})
		b.must(os.Rename(there, missing))
		b.await("hello", "ready", 2)
		wantAnswer(t, b.hello, "/", "Hello from worker ")
	})
}
