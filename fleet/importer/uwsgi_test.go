package importer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

func TestUWSGI(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"blog.ini": `[uwsgi]
; Gr` + "\xfc\xdf" + `e
project = blog
base = /srv/%(project)
chdir = %(base)
module = %(project).wsgi
callable = app
plugins = python3
master = true
process = 4
processes = 3
processes = 4
cheaper = 1
threads = 2
socket = blog.sock
chmod-socket = 660
http-socket = :8000
harakiri = 30
max-requests = 5000
reload-on-rss = 200
pythonpath = lib
pythonpath = /opt/lib
env = TZ=UTC
env = SECRET_KEY=hunter2
env = GONE=1
unenv = GONE
static-map = /static=/srv/blog/static
static-map = /favicon.ico=/srv/blog/favicon.ico
attach-daemon = celery -A blog worker
touch-reload = /x
vacuum
logto = /var/log/uwsgi.log
umask = 027
env = EMPTIED=1
env = EMPTIED
`})
	imp := importOne(t, facts.Options{}, filepath.Join(dir, "blog.ini"))
	text := strings.ReplaceAll(string(imp.Text), dir, "DIR")
	_, body, _ := strings.Cut(text, "\n  env =")
	want := ` {
    PYTHONPATH = "/opt/lib:/srv/blog/lib:/srv/blog"
    SECRET_KEY = file("secrets/blog/SECRET_KEY")
    TZ         = "UTC"
  }
  umask             = "0027"      # blog.ini:33: umask = 027
  working_directory = "/srv/blog" # blog.ini:5: chdir = /srv/blog

  sockets {
    http {
      listen = "0.0.0.0:8000" # blog.ini:17: http-socket = :8000
    }
    http {
      listen = "unix:/srv/blog/blog.sock" # blog.ini:15: socket = blog.sock
    }
  }

  workers {
    min             = 1        # blog.ini:13: cheaper = 1
    max             = 4        # blog.ini:12: processes = 4
    threads         = 2        # blog.ini:14: threads = 2
    request_timeout = "30s"    # blog.ini:18: harakiri = 30
    max_requests    = 5000     # blog.ini:19: max-requests = 5000; uWSGI did it to workers older than 10 s only
    max_memory      = "200MiB" # blog.ini:20: reload-on-rss = 200; uWSGI did it to workers older than 10 s only
  }

  request {
    trusted_proxies = ["127.0.0.1/32", "::1/128", "unix"]      # uWSGI: it asked nobody who sent it; here those of this machine, add the networks of others
    trusted_headers = ["x-forwarded-for", "x-forwarded-proto"] # uWSGI: in place of the parameters REMOTE_ADDR and HTTPS
  }

  static {
    url     = "/static/" # blog.ini:27: static-map = /static=/srv/blog/static; uWSGI went by bytes, and took /staticx for its file x
    dir     = "/srv/blog/static"
    max_age = "0s"
  }

  log {
    access = true # uWSGI: each request is logged
  }
`
	if !strings.HasPrefix(body, want) {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, body))
	}
	holds(t, text,
		"# Written by wsgid-fleet import from DIR/blog.ini (uWSGI).\n",
		`wsgi_app = "blog.wsgi:app"`, "# blog.ini:6: module = blog.wsgi\n",
		"# blog.ini:15: socket = blog.sock: it spoke uWSGI's protocol and speaks HTTP now: in nginx write proxy_pass http://unix:/srv/blog/blog.sock;",
		"# blog.ini:10: process = 4: not carried over: uWSGI has no such option, and completes no names in files, so it did nothing; was processes meant?\n",
		"# blog.ini:28: static-map = /favicon.ico=/srv/blog/favicon.ico: not carried over: ",
		"!not carried over: workers start",
		"# blog.ini:29: attach-daemon = celery -A blog worker",
		"# blog.ini:30: touch-reload = /x: not carried over: after a change of code run: wsgid-fleet reload APP\n",
		"# blog.ini:32: logto = /var/log/uwsgi.log: the log is logs/wsgid.log",
		"!hunter2", "!GONE", "!EMPTIED", "!vacuum")
	if diff := cmp.Diff(map[string]string{"secrets/blog/SECRET_KEY": "hunter2"}, imp.Secrets); diff != "" || !imp.Incomplete {
		t.Errorf("%v %s", imp.Incomplete, diff)
	}
	for _, note := range imp.Notes {
		holds(t, note, "!hunter2")
	}
}

// An Emperor gives options to his vassals: what he sets they may read, what is
// inherited comes last and wins.
func TestUWSGIEmperor(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"emperor.ini":         "[uwsgi]\nemperor = vassals\nvassals-inherit = all.ini\nvassals-set = lib=/srv/lib\n",
		"all.ini":             "[uwsgi]\nthreads = 8\n",
		"vassals/one.ini":     "[uwsgi]\nhttp-socket = 127.0.0.1:8001\nmodule = one:app\nthreads = 2\npythonpath = %(lib)\ndisable-logging = true\n",
		"vassals/two.old.ini": "[uwsgi]\nhttp-socket = 127.0.0.1:8002\nwsgi-file = %d/two.py\n",
		"vassals/three.json":  `{"uwsgi": {"http-socket": "127.0.0.1:8003", "module": "three:app"}}`,
		"vassals/notes.txt":   "no vassal",
		"vassals/sub/no.ini":  "[uwsgi]\nmodule = no\n",
	})
	imported, err := Import(facts.Options{}, filepath.Join(dir, "emperor.ini"))
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, imp := range imported {
		texts[imp.Name] = string(imp.Text)
	}
	if len(texts) != 3 {
		t.Fatalf("%v", texts)
	}
	holds(t, texts["one"], `wsgi_app = "one:app"`, `PYTHONPATH = "/srv/lib:`+dir+`/vassals"`, `threads         = 8     # all.ini:2: threads = 8`, "!access")
	holds(t, texts["two-old"], `wsgi_app = "two:application"`, "threads")
	holds(t, texts["three"], `listen = "127.0.0.1:8003"`)

	// The folder alone.
	imported, err = Import(facts.Options{}, filepath.Join(dir, "vassals"))
	if err != nil || len(imported) != 3 {
		t.Fatalf("%d %v", len(imported), err)
	}
}

func TestUWSGIBadInput(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"circle.ini":  "[uwsgi]\nini = other.ini\n",
		"other.ini":   "[uwsgi]\ninclude = circle.ini\n",
		"itself.ini":  "[uwsgi]\na = x%(a)\n",
		"big.ini":     "[uwsgi]\n" + strings.Repeat("a = 1\n", 2_000_000),
		"many.ini":    "[uwsgi]\nfor-times = 2000000000\na = %(_)\nb = 1\nendfor =\n",
		"latin.ini":   "[uwsgi]\nmodule = a:b\nhttp-socket = :8000\nenv = NAME=Gr\xfc\xdfe\n",
		"none.ini":    "[uwsgi]\nini = missing.ini\n",
		"text.ini":    "hello",
		"half.json":   `{"uwsgi": {"module": "a"`,
		"half.xml":    `<uwsgi><module>a`,
		"bad.yaml":    "uwsgi:\n\tmodule: a\n",
		"files/a.txt": "hello",
		"section.ini": "[uwsgi:x]\nmodule = a\n[uwsgi]\n[\n",
	})
	for name, want := range map[string]string{
		"circle.ini": "circle.ini includes itself",
		"itself.ini": "itself.ini:2: a: a placeholder is filled with itself: uWSGI does not start with it",
		"big.ini":    "larger than 4 MiB",
		"many.ini":   "more than 20000 options",
		"none.ini":   "cannot read " + dir + "/missing.ini: no such file",
		"text.ini":   "cannot tell what configuration it is; name the format: --from",
		"half.json":  "cannot read " + dir + "/half.json: ",
		"half.xml":   "cannot read " + dir + "/half.xml: ",
		"bad.yaml":   "cannot read " + dir + "/bad.yaml: ",
		"files":      "no folder of uWSGI's configurations",
		"missing":    "there is no such file or folder",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Import(facts.Options{}, filepath.Join(dir, name))
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
	imp := importOne(t, facts.Options{}, filepath.Join(dir, "latin.ini"))
	holds(t, string(imp.Text), "latin.ini:4: env = NAME: not carried over: it is not UTF-8", `wsgi_app = "a:b"`)
}

// One file that cannot be read does not keep the others from being imported, and a
// thousand are read in little time: nothing is started for them.
func TestUWSGIManyVassals(t *testing.T) {
	files := map[string]string{"broken.ini": "[uwsgi]\nini = missing.ini\n"}
	count := 1000
	if testing.Short() {
		count = 50
	}
	for i := range count {
		files[fmt.Sprintf("v%d.ini", i)] = fmt.Sprintf("[uwsgi]\nhttp-socket = 127.0.0.1:%d\nmodule = app%d:app\nchdir = /srv/%%n\nprocesses = 2\nenv = A=%%n\n", 10000+i, i)
	}
	dir := peertest.WriteFiles(t, files)
	var before, after syscall.Rusage // no other test runs beside this one
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &before); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	imported, err := Import(facts.Options{}, dir)
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &after); err != nil {
		t.Fatal(err)
	}
	if after.Minflt != before.Minflt {
		t.Error("a child was started")
	}
	for i, imp := range imported[:min(len(imported), 2)] { // in the order of the names
		if want := []string{"v0", "v1"}[i]; imp.Name != want {
			t.Errorf("%s, want %s", imp.Name, want)
		}
	}
	if len(imported) != count || err == nil || !strings.Contains(err.Error(), "broken.ini: cannot read") {
		t.Errorf("%d apps, %v", len(imported), err)
	}
	t.Logf("%d vassals in %v", count, time.Since(began))
}

func TestUWSGIFromStdin(t *testing.T) {
	cwd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	imp := importOne(t, facts.Options{Stdin: strings.NewReader("[uwsgi]\nmodule = a:b\nhttp-socket = :8000\n")}, "-")
	holds(t, string(imp.Text), `app "stdin" {`, `PYTHONPATH = "`+cwd+`"`)
}

// Apps of one name get a number each, in the spec too.
func TestAppsOfOneName(t *testing.T) {
	long := strings.Repeat("a", 63)
	dir := peertest.WriteFiles(t, map[string]string{
		"blog.ini": "[uwsgi]\nmodule = a\nhttp-socket = :8001\n", "blog.yaml": "uwsgi:\n  module: b\n  http-socket: :8002\n", "blog-2.ini": "[uwsgi]\nmodule = c\nhttp-socket = :8003\n",
		long + ".ini": "[uwsgi]\nmodule = d\nhttp-socket = :8004\n", long + ".xml": "<uwsgi><module>e</module><http-socket>:8005</http-socket></uwsgi>",
	})
	imported, err := Import(facts.Options{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, imp := range imported {
		if got[imp.Name] || !strings.Contains(string(imp.Text), `app "`+imp.Name+`" {`) {
			t.Errorf("%s:\n%s", imp.Name, imp.Text)
		}
		got[imp.Name] = true
	}
	if len(got) != 5 || !got["blog"] || !got["blog-2"] {
		t.Errorf("%v", got)
	}
}

// A number with a unit is what uWSGI reads of it, and the comment says so.
func TestUwsgiDropsUnits(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"units.ini": "[uwsgi]\nwsgi-file = a.py\nhttp-socket = :8000\nharakiri = 1m\nmax-fd = 4096\nprocesses = 2 of them\nbuffer-size = 64k\n",
		"auto.ini":  "[uwsgi]\nwsgi-file = a.py\nhttp-socket = :8000\nprocesses = auto\n",
	})
	text := string(importOne(t, facts.Options{}, filepath.Join(dir, "units.ini")).Text)
	holds(t, text,
		"request_timeout = \"1s\" # units.ini:4: harakiri = 1m; uWSGI reads 1 and drops the rest\n",
		"# units.ini:6: processes = 2 of them; uWSGI reads 2 and drops the rest\n",
		"# units.ini:5: max-fd = 4096\n",
		"# units.ini:7: buffer-size = 64k: ", "uWSGI reads 64 and drops the rest")
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "auto.ini")).Text),
		"# auto.ini:4: processes = auto: uWSGI reads 0 of it and runs no worker; here one runs\n")
}

// Where uWSGI ran without its master, what it did at a limit is told: nothing, or it ended.
func TestUWSGIWithoutMaster(t *testing.T) {
	const ended = ": without its master (master = true) uWSGI started no other worker for one that ended so, and the app ended with its last worker; here another one is started\n"
	const nothing = ": without its master uWSGI did nothing of it; here it is done: delete it if that is not wanted\n"
	for options, want := range map[string][]string{
		"max-requests = 500\nreload-on-rss = 200\nharakiri = 30": {"# t.ini:4: max-requests = 500" + ended, "# t.ini:5: reload-on-rss = 200" + ended, "# t.ini:6: harakiri = 30" + ended},
		"max-worker-lifetime = 3600":                             {"# t.ini:4: max-worker-lifetime = 3600" + nothing},
		"harakiri = 0":                                           {"!without"},
		"max-requests = 5\nmaster = true":                        {"!without"},
		"max-requests = 5\nidle = 300":                           {"!without"},
		"max-requests = 5\ntouch-reload = /x":                    {"!without"},
		"max-requests = 5\nmaster = false\nunique-cron = -1 -1 -1 -1 -1 ./x\nattach-daemon = ./y": {
			"max-requests = 5" + ended, "# t.ini:6: unique-cron = -1 -1 -1 -1 -1 ./x" + nothing, "# t.ini:7: attach-daemon = ./y" + nothing},
		"evil-reload-on-rss = 100\nmaster = 0": {"evil-reload-on-rss = 100" + nothing},
	} {
		dir := peertest.WriteFiles(t, map[string]string{"t.ini": "[uwsgi]\nwsgi-file = a.py\nhttp-socket = :8000\n" + options + "\n"})
		holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "t.ini")).Text), want...)
	}
}

// A socket is taken over whatever nginx spoke at it, and what is to be written there is told.
func TestUWSGIProtocols(t *testing.T) {
	const now = ": it spoke %s and speaks HTTP now: in nginx write proxy_pass http://127.0.0.1:9000; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; and proxy_set_header X-Forwarded-Proto $scheme; in place of %s_pass\n"
	uwsgi, fastcgi, scgi := fmt.Sprintf(now, "uWSGI's protocol", "uwsgi"), fmt.Sprintf(now, "FastCGI", "fastcgi"), fmt.Sprintf(now, "SCGI", "scgi")
	for options, want := range map[string]string{
		"socket = 127.0.0.1:9000":                                uwsgi,
		"uwsgi-socket = 127.0.0.1:9000\nsocket-protocol = http":  uwsgi,
		"fastcgi-socket = 127.0.0.1:9000":                        fastcgi,
		"socket = 127.0.0.1:9000\nprotocol = fastcgi":            fastcgi,
		"socket = 127.0.0.1:9000\nsocket-protocol = fastcgi-nph": fastcgi,
		"scgi-nph-socket = 127.0.0.1:9000\nscgi-modifier1 = 0":   scgi,
		"socket = 127.0.0.1:9000\nprotocol = scgi":               scgi,
		"socket = 127.0.0.1:9000\nprotocol = http":               "!spoke",
		"http11-socket = 127.0.0.1:9000":                         "!spoke",
		"http-socket = :9001\nraw-socket = 127.0.0.1:9000":       "not carried over: the fleet speaks HTTP and mongrel2",
		"http-socket = :9001\nsocket = :9000\nprotocol = raw":    "not carried over: uWSGI spoke raw there; the fleet speaks HTTP and mongrel2: write a socket into the block sockets\n",
		"http-socket = :9001\nfastcgi-socket = 127.0.0.1:9000":   `listen = "127.0.0.1:9000" # t.ini:4: fastcgi-socket = 127.0.0.1:9000`,
	} {
		dir := peertest.WriteFiles(t, map[string]string{"t.ini": "[uwsgi]\nwsgi-file = a.py\n" + options + "\n"})
		holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "t.ini")).Text), want)
	}
}

// An app that shows that it reads bodies as they arrive does so here.
func TestUwsgiPostBuffering(t *testing.T) {
	for option, want := range map[string]string{
		"post-buffering = 0":                                   "buffering = false # t.ini:4: post-buffering = 0\n",
		"post-buffering = 8192":                                "!buffering",
		"wsgi-manage-chunked-input = true":                     "buffering = false # t.ini:4: wsgi-manage-chunked-input = true\n",
		"wsgi-manage-chunked-input = 0":                        "!buffering",
		"post-buffering = 1\nwsgi-manage-chunked-input = true": "!buffering",
	} {
		dir := peertest.WriteFiles(t, map[string]string{"t.ini": "[uwsgi]\nwsgi-file = a.py\nhttp-socket = :8000\n" + option + "\n"})
		imp := importOne(t, facts.Options{}, filepath.Join(dir, "t.ini"))
		text := string(imp.Text)
		holds(t, strings.ReplaceAll(text, dir, ""), want)
		if imp.Incomplete {
			t.Errorf("%s: %v", option, imp.Notes)
		}
	}
}

// TestYAMLOfWhichUWSGIReadsAPart: import says what does not count, and from where on.
func TestYAMLOfWhichUWSGIReadsAPart(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"anchor.yaml": "common: &common\n  harakiri: 5\nuwsgi:\n  module: app\n  http-socket: 127.0.0.1:8000\n  threads: *common\n  processes: &n 4\n  harakiri: 10\n",
	})
	imported, err := Import(facts.Options{}, filepath.Join(dir, "anchor.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	holds(t, string(imported[0].Text), `listen = "127.0.0.1:8000"`, "!count", `"24h"`, "!threads =",
		"anchor.yaml:6: threads: *common: not carried over: uWSGI does not know aliases: it takes nothing from it",
		"anchor.yaml:7: &n 4: not carried over: uWSGI reads nothing from here on (unsupported YAML token)")
}

// A placeholder of the name of an option is that option too, which uWSGI did something by.
func TestPlaceholdersNamedLikeOptions(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"a.ini": "[uwsgi]\nproject = shop\nversion = 2\nset-ph = mode=live\nweight = 5\nchdir = /srv/%(project)/%(version)/%(mode)\nmodule = a\nhttp-socket = :8000\n"})
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "a.ini")).Text), `working_directory = "/srv/shop/2/live"`, "!project = shop:", "!mode = live:", "a.ini:5: weight = 5: not carried over: no counterpart of it is known here",
		"a.ini:3: version = 2: not carried over: %(version) has its value, and uWSGI has an option of the name too, which did something there and nothing here: where the placeholder alone is meant write set-ph = version=…")
}
