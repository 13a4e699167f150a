package importer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

const pasteApp = "[app:main]\nuse = egg:wiki\nsqlalchemy.url = sqlite:///%(here)s/wiki.db\n[app:admin]\nuse = egg:wiki#admin\n"

// A file of PasteDeploy is named as the application, which a worker makes of it, and its
// server says the rest. Whatever serves such a file names it in its own way.
func TestPaste(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"wiki/production.ini":    pasteApp + "[server:main]\nuse = egg:waitress#main\nlisten = %(address)s [::1]:6543\nthreads = 8\nurl_prefix = /wiki/\nexpose_tracebacks = true\ntrusted_proxy = 127.0.0.1\n[DEFAULT]\naddress = 127.0.0.1:6543\n",
		"wiki/env/pyvenv.cfg":    "home = /usr/bin\n",
		"none/forum.ini":         pasteApp,
		"unix/club.ini":          "[pipeline:main]\npipeline = a b\n[server:main]\nuse = egg:waitress\nunix_socket = %(here)s/club.sock\nunix_socket_perms = 666\nurl_scheme = https\nthreds = 5\n",
		"gunicorn/shop.ini":      pasteApp + "[server:main]\nuse = egg:gunicorn#main\nhost = 127.0.0.1\nport = 8090\nworkers = 3\ntimeout = 20\npaste = x\n",
		"other/poll.ini":         pasteApp + "[server:main]\nuse = egg:Paste#http\nport = 8080\nthreadpool_workers = 10\nssl_pem = a.pem\n",
		"twice/mail.ini":         "[DEFAULT]\nthreads = 3\nhttp_port = 8070\n" + pasteApp + "[server:main]\nuse = egg:waitress\nthreads = 9\nget port = http_port\n",
		"used/list.ini":          pasteApp + "[server:main]\nuse = config:base.txt\nport = 8071\n",
		"used/base.txt":          "[server:main]\nuse = egg:waitress\nthreads = 6\nport = 1\n",
		"broken/blog.ini":        pasteApp + "[server:main]\nuse = egg:waitress\nport = %(http_port)s\n",
		"uwsgi/news.ini":         "[uwsgi]\nhttp-socket = 127.0.0.1:8091\npaste = config:%p\npaste-logger = true\n" + pasteApp,
		"uwsgi/ini.ini":          "[uwsgi]\nhttp-socket = 127.0.0.1:8092\nini-paste = wiki/production.ini#admin\n",
		"uwsgi/egg.ini":          "[uwsgi]\nhttp-socket = 127.0.0.1:8092\npaste = egg:wiki\n",
		"units/pserve.service":   "[Service]\nUser=www-data\nExecStart=DIR/wiki/env/bin/pserve DIR/wiki/production.ini --app-name admin address=127.0.0.1:7000\n",
		"units/waitress.service": "[Service]\nWorkingDirectory=/srv/a\nExecStart=/srv/a/venv/bin/waitress-serve --port=8041 --no-ipv6 --call a:make\n",
		"units/paste.service":    "[Service]\nWorkingDirectory=/srv/a\nExecStart=/usr/bin/gunicorn --paste conf/a.ini#admin --paste-global x=1\n",
	})
	for name, want := range map[string][]string{
		"wiki/production.ini": {`app "wiki" {`, `wsgi_app          = "DIR/wiki/production.ini"`, `virtualenv        = "DIR/wiki/env"`, `the one beside it`, `listen = "127.0.0.1:6543"`, `listen = "[::1]:6543"`,
			`threads         = 8`, `request_timeout = "24h"`, `max_body           = "1GiB"`, `keep_alive_timeout = "2m"`, `script_name       = "/wiki"`,
			`expose_tracebacks = true: a client is told no traceback`, `trusted_proxies    = ["127.0.0.1/32"]`, `trusted_headers    = ["x-forwarded-proto"]`, "!PYTHONPATH", "!sqlite"},
		"none/forum.ini": {`app "forum" {`, `wsgi_app = "DIR/none/forum.ini"`, "it has no section [server:main], which says where to listen", `if pserve is in a virtualenv, name it`},
		"unix/club.ini": {`listen = "unix:DIR/unix/club.sock"`, `mode   = "0666"`, "club.ini:7: url_scheme = https: not carried over: whether a request came by https is told by a proxy",
			"club.ini:8: threds = 5: not carried over: waitress knows no such setting, and does not start with it"},
		"gunicorn/shop.ini": {`wsgi_app          = "DIR/gunicorn/shop.ini"`, `listen = "127.0.0.1:8090" # shop.ini:8: host = 127.0.0.1`, `count           = 3     # shop.ini:10`, `request_timeout = "20s" # shop.ini:11`},
		"other/poll.ini": {`listen = "127.0.0.1:8080"`, "poll.ini:7: use = egg:Paste#http: what this server does is not known here, but for its address", "threads = 10",
			"ssl_pem = a.pem: not carried over: no counterpart of it is known here"},
		"twice/mail.ini":         {`listen = "0.0.0.0:8070"`, "mail.ini:11: threads = 9: not carried over: the name stands in [DEFAULT] too, or was given in the command line, and PasteDeploy does not tell it the server then", "threads         = 4"},
		"used/list.ini":          {`listen = "0.0.0.0:8071" # list.ini:8: port = 8071`, "threads         = 6 # base.txt:3"},
		"uwsgi/news.ini":         {`wsgi_app = "DIR/uwsgi/news.ini" # news.ini:3: paste = config:DIR/uwsgi/news.ini`, "!paste-logger"},
		"uwsgi/ini.ini":          {`wsgi_app = "DIR/uwsgi/wiki/production.ini:admin"`},
		"uwsgi/egg.ini":          {"a file of PasteDeploy is read here, and no egg: write one, with use = egg:wiki below [app:main], and name it in wsgi_app"},
		"units/pserve.service":   {`wsgi_app          = "DIR/wiki/production.ini:admin"`, `virtualenv        = "DIR/wiki/env"`, `listen = "127.0.0.1:6543"`, "address=127.0.0.1:7000: not carried over: an app is told no variables: write it into the file, below [DEFAULT]"},
		"units/waitress.service": {`wsgi_app   = "a:make()"`, `virtualenv = "/srv/a/venv"`, `PYTHONPATH = "/srv/a"`, `listen = "0.0.0.0:8041"`, `threads         = 4`, "!no-ipv6: "},
		"units/paste.service":    {`wsgi_app = "/srv/a/conf/a.ini:admin"`, "--paste-global x=1: not carried over: an app is told no variables: write it into the file of PasteDeploy, below [DEFAULT]"},
	} {
		path := filepath.Join(dir, name)
		if strings.HasPrefix(name, "units/") {
			path = filepath.Join(peertest.WriteFiles(t, map[string]string{filepath.Base(name): strings.ReplaceAll(textOf(t, path), "DIR", dir)}), filepath.Base(name))
		}
		imp := importOne(t, facts.Options{LookupEnv: func(string) (string, bool) { return "", false }}, path)
		holds(t, strings.ReplaceAll(string(imp.Text), dir, "DIR"), want...)
	}
	_, err := Import(facts.Options{}, filepath.Join(dir, "broken/blog.ini"))
	if err == nil || !strings.Contains(err.Error(), "blog.ini: line 8: %(http_port)s is not set, and PasteDeploy does not read the file") {
		t.Errorf("got %v", err)
	}
	for text, want := range map[string]string{
		"[server:main]\nuse = base\n":                            "line 2: use = base: there is no section [server:base], and PasteDeploy does not load the file",
		"[server:main]\nuse = a\n[server:a]\nuse = main\n":       "the sections name one another",
		"[server:main]\nport = 1\nport = 2\n":                    "line 3: port stands there twice, and PasteDeploy does not read it",
		"[server:main]\nport = 1\n[server:main]\n":               "line 3: the section [server:main] stands there twice, and PasteDeploy does not read it",
		"[server:main]\nuse = egg:waitress\nget port = http_p\n": "line 3: get port = http_p: there is no variable http_p, and PasteDeploy does not load the file",
		"[DEFAULT]\na = 1%\n[server:main]\nuse = a\n":            "line 2: % is not set, and PasteDeploy does not read the file",
		"[server:main]\nuse = config:none.ini\n":                 "line 2: use = config:none.ini: cannot be read: ",
	} {
		_, err := Import(facts.Options{}, filepath.Join(peertest.WriteFiles(t, map[string]string{"a.ini": text}), "a.ini"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	for line, want := range map[string]string{
		"pserve": "pserve names no file", "pserve x.ini -n": "pserve's option -n wants a value",
		"waitress-serve --threds=3 a:b": "waitress-serve has no option --threds, and does not start with it", "waitress-serve a:b c:d": "takes one application",
	} {
		if _, err := Import(facts.Options{Format: "command"}, line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func textOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
