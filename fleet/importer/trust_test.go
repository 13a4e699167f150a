package importer

import (
	"path/filepath"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// Behind a proxy the app is told https as before: of whom a server took the scheme is
// carried over, and nothing beyond that is believed.
func TestSchemeBehindAProxy(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"default.service":  "[Service]\nExecStart=/usr/bin/gunicorn a:b\n",
		"variable.service": "[Service]\nEnvironment=FORWARDED_ALLOW_IPS=10.0.0.1\nExecStart=/usr/bin/gunicorn a:b\n",
		"option.service":   "[Service]\nEnvironment=FORWARDED_ALLOW_IPS=10.0.0.1\nExecStart=/usr/bin/gunicorn --forwarded-allow-ips 10.0.0.2 -b unix:/run/a.sock a:b\n",
		"nobody.service":   "[Service]\nEnvironment=FORWARDED_ALLOW_IPS=\nExecStart=/usr/bin/gunicorn a:b\n",
		"all.service":      "[Service]\nExecStart=/usr/bin/gunicorn --forwarded-allow-ips * a:b\n",
		"unit.service":     "[Service]\nExecStart=/usr/bin/gunicorn a:b\n", "unit.socket": "[Socket]\nListenStream=/run/unit.sock\n",
		"proto.py":   "wsgi_app = 'a:b'\nsecure_scheme_headers = {'X-FORWARDED-PROTO': 'https'}\n",
		"both.py":    "wsgi_app = 'a:b'\nsecure_scheme_headers = {'X-FORWARDED-PROTO': 'https', 'X-SSL': 'yes'}\n",
		"http.ini":   "[uwsgi]\nmodule = a\nhttp-socket = :8000\n",
		"params.ini": "[uwsgi]\nmodule = a\nsocket = /run/a.sock\n",
	})
	for name, want := range map[string][]string{
		"default.service": {`trusted_proxies = ["127.0.0.1/32", "::1/128"] # default.service:2: gunicorn's default`, `trusted_headers = ["x-forwarded-proto"]`,
			"gunicorn took the scheme alone of a proxy, also of X-Forwarded-Ssl: on and X-Forwarded-Protocol: ssl, in place of which it is to set X-Forwarded-Proto; add"},
		"proto.py":         {`trusted_headers = ["x-forwarded-proto"]`, "!Ssl", "!secure_scheme"},
		"both.py":          {`trusted_headers = ["x-forwarded-proto"]`, "both.py:2: secure_scheme_headers = X-FORWARDED-PROTO: https, X-SSL: yes: not carried over", "!Ssl"},
		"variable.service": {`trusted_proxies = ["10.0.0.1/32"]         # variable.service:3: the variable FORWARDED_ALLOW_IPS`},
		"option.service":   {`trusted_proxies = ["10.0.0.2/32", "unix"] # option.service:3: --forwarded-allow-ips 10.0.0.2, and whoever comes by a unix socket`},
		"nobody.service":   {"!trusted_"},
		"all.service":      {`trusted_proxies = ["0.0.0.0/0", "::/0", "unix"]`, `trusted_headers = ["x-forwarded-proto"]`},
		"unit.service":     {`trusted_proxies = ["127.0.0.1/32", "::1/128", "unix"]`},
		"http.ini":         {"http.ini:3: http-socket = :8000: uWSGI took /./ and /../ out of the path of a request", `trusted_proxies = ["127.0.0.1/32", "::1/128"]`, `trusted_headers = ["x-forwarded-proto"]`},
		"params.ini": {`trusted_proxies = ["127.0.0.1/32", "::1/128", "unix"]`, `trusted_headers = ["x-forwarded-for", "x-forwarded-proto"]`,
			"proxy_pass http://unix:/run/a.sock; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; and proxy_set_header X-Forwarded-Proto $scheme; in place of uwsgi_pass; nginx took . and .. and double slashes out of the path for that, and proxy_pass does so in location / as proxy_pass http://unix:/run/a.sock:/;",
			"!/./"},
	} {
		holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, name)).Text), want...)
	}
}

// What uWSGI did by itself with clients and workers is carried over or told.
func TestUWSGIRouterAndIdleness(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"a.ini": `[uwsgi]
module = a
plugins = http,python27
http = :8000
processes = 3
idle = 600
cheap = true
die-on-idle = true
threads-stacksize = 512
abstract-socket = true
pythonpath = lib/*
`,
		"b.ini":   "[uwsgi]\nmodule = a\nhttp = :8000\nhttp-timeout = 90\nharakiri = 90\nplugin = python3\nprocesses = 2\nlazy-apps = true\n",
		"c.ini":   "[uwsgi]\nmodule = a\nhttp = :8000\nhttp-timeout = 90\nharakiri = 100\n",
		"d.ini":   "[uwsgi]\nmount = /blog=a.py\nmanage-script-name = true\nno-default-app = true\nhttp-socket = :8000\n",
		"lib/x/a": "", "lib/y/a": "",
	})
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "a.ini")).Text),
		"a.ini:3: plugins = http,python27: not carried over: only Python 3 is run",
		"a.ini:4: http = :8000: its router closed a connection without an answer that waited for a byte of it for 60 s (http-timeout), and the worker went on",
		"min             = 0", "max             = 3", `idle_timeout    = "10m"`,
		"a.ini:7: cheap = true: workers are there before the first request comes", "a.ini:8: die-on-idle = true: the address stays",
		"a.ini:9: threads-stacksize = 512: threads have the stack that Python gives them",
		"a.ini:10: abstract-socket = true: not carried over: a unix socket is a file",
		"uWSGI loaded the app once and forked its workers from it, without lazy-apps", dir+"/lib/y:"+dir+"/lib/x:"+dir)
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "b.ini")).Text), "!its router", "!Python 3", "!forked")
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "c.ini")).Text), "c.ini:3: http = :8000: its router closed a connection without an answer that waited for a byte of it for 90 s", "!forked")
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "d.ini")).Text), "d.ini:2: mount = /blog=a.py: uWSGI answered 500 to paths outside of /blog; here all requests have it")
}
