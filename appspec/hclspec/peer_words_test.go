package hclspec

import (
	"os"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// TestPeerWords shows, word for word, what somebody is told who writes a name of
// another program's configuration: NAME and VALUE in an app, and the message.
// After a change: go test -run TestPeerWords -update, and read the diff.
func TestPeerWords(t *testing.T) {
	values := map[string]string{
		"sockets.http.listen": "8000", "workers.count": "4", "workers.min": "1", "workers.max": "8", "wsgi_app": `"blog.wsgi:application"`,
		"path": `"/srv/blog"`, "user": `"blog"`, "group": `"blog"`, "virtualenv": `"/srv/venv"`, "limits.cpu": "2", "limits.memory": `"512MiB"`,
		"limits.open_files": "4096", "limits.processes": "64", "limits.tasks": "64", "workers.queue": "100", "enabled": "false",
		"sockets.http.tls.cert": `"/etc/ssl/blog.pem"`, "sockets.http.tls.key": `"/etc/ssl/blog.key"`, "request.trusted_proxies": `"10.0.0.1"`,
		"sockets.http.mode": `"660"`, "working_directory": `"/srv/blog"`, "script_name": `"/blog"`, "sockets.http.owner": `"www-data"`, "django.settings": `"blog.settings"`, "workers.preload": "true",
	}
	var b strings.Builder
	for name, home := range explain.PeerNames() {
		value := values[home]
		if value == "" {
			value = "30"
		}
		b.WriteString(name + " = " + value + "\n")
		b.WriteString("  app: " + strings.ReplaceAll(peerMessage(t, "app \"blog\" {\n  "+name+" = "+value+"\n}\n", name), "\n", "\n    ") + "\n")
	}
	for _, src := range []string{
		"app \"blog\" {\n  sockets {\n    http {\n      tls {\n        port = 443\n      }\n    }\n  }\n}\n",
		"app \"blog\" {\n  workers {\n    processes = 4\n    harakiri = 20\n    max-requests = 1000\n  }\n}\n",
		"app \"blog\" {\n  sockets {\n    http {\n      bind = \"0.0.0.0:80\"\n      listen = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n    }\n    http {\n      listen = 8000\n    }\n  }\n}\n",
		"app \"blog\" {\n  command = \"gunicorn blog.wsgi:application -b 0.0.0.0:80\"\n  wsgi-file = \"/srv/blog/wsgi.py\"\n  processes = 4\n  threads = 8\n  workers = 4\n  restart = \"always\"\n  health = \"/healthz\"\n}\n",
		"app \"blog\" {\n  limits {\n    cpu = \"500m\"\n    memory = \"512Mi\"\n  }\n}\n",
		"app \"blog\" {\n  limits {\n    cpu = \"50%\"\n  }\n}\n",
		"app \"blog\" {\n  env = { PATH = \"$PATH:/x\", FOO = \"$FOO\", PASSWORD = \"pa$$word\", BAR = \"a$b\" }\n}\n",
		"app \"blog\" {\n  env = { PATH = \"${PATH}:/x\" }\n}\n",
		"app \"blog\" {\n  env = [\"A=1\", \"B=2\"]\n}\n",
		"app \"blog\" {\n  replicas: 2\n}\n",
		"workers = 4\nbind = \"0.0.0.0:8000\"\nthreads = 2\nhttp {\n}\n",
		"server {\n  listen = 80\n}\n",
		"services:\n  web:\n    image: blog\n",
	} {
		b.WriteString("\n" + src + peerMessage(t, src, "") + "\n")
	}
	const golden = "testdata/peer_words.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("somebody sees:\n%s", got)
	}
}

// peerMessage is what is said of a spec, or of one name in it.
func peerMessage(t *testing.T, src, name string) string {
	t.Helper()
	fsys := memory(t, map[string]string{"/d/x.hcl": src})
	set, err := Options{Root: true}.Load(fsys, "/d")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range set.Faults {
		for _, d := range f.Diagnostics {
			if name == "" || strings.Contains(d.Summary, appspec.Quote(name)) {
				out = append(out, d.Summary+"\n"+d.Detail)
			}
		}
	}
	if len(out) == 0 {
		t.Errorf("%s: nothing is said of it", src)
	}
	return strings.Join(out, "\n")
}

// A file that somebody may believe to be read is told of.
func TestFilesThatAreNotRead(t *testing.T) {
	set := load(t, Options{}, memory(t, map[string]string{
		"blog.conf": "", "shop.json": "", "x.hcl.txt": "", "README.md": "", ".hidden.conf": "", "old.hcl.bak": "", "y.hcl~": "",
	}), "/etc/wsgid.d")
	var got []string
	for _, w := range set.Warnings {
		got = append(got, w.Subject.Filename+": "+w.Summary+": "+w.Detail)
	}
	const said = ": the file is not read: the name of a spec ends in .hcl: "
	want := "/etc/wsgid.d/blog.conf" + said + "if it is one, name it blog.hcl; else move it elsewhere\n" +
		"/etc/wsgid.d/shop.json" + said + "if it is one in JSON, name it shop.hcl.json; else move it elsewhere\n" +
		"/etc/wsgid.d/x.hcl.txt" + said + "if it is one, name it x.hcl; else move it elsewhere"
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
}

// Twelve copies of one spec: the first line tells of all, and each is told a port
// of its own.
func TestManyAppsOnOnePort(t *testing.T) {
	files := map[string]string{}
	for i := range 12 {
		name := "a" + string(rune('a'+i))
		files[name+".hcl"] = minimal(name, "8000")
	}
	files["z.hcl"] = minimal("z", "8003")
	set := load(t, Options{}, memory(t, files), "/etc/wsgid.d")
	if len(set.Faults) != 12 || set.Specs["z"] == nil {
		t.Fatalf("%d faults", len(set.Faults))
	}
	ports := map[string]bool{}
	for i, f := range set.Faults {
		if len(f.Diagnostics) != 1 {
			t.Errorf("%s is told %d times:\n%s", f.App, len(f.Diagnostics), f.Text)
		}
		d := f.Diagnostics[0]
		if i == 0 {
			if !strings.Contains(d.Summary, "the port of 127.0.0.1:8000 is used 12 times (apps aa, ab, ac, ad, ae, af, ag, ah, ai, aj, ak, al)") {
				t.Errorf("the first: %s", d.Summary)
			}
			continue
		}
		if ports[d.Detail] || strings.Contains(d.Detail, ":8000") || strings.Contains(d.Detail, ":8003") || !strings.HasPrefix(d.Detail, `give each its own port: listen = "127.0.0.1:80`) {
			t.Errorf("%s: %s", f.App, d.Detail)
		}
		ports[d.Detail] = true
	}
}
