package importer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// What a setting changed for clients or operators is carried over or named, also where it
// is one that nobody thinks of.
func TestGunicornLeavesNothingOutUnsaid(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"gunicorn.conf.py": `wsgi_app = "a:b"
secure_scheme_headers = {"X-SSL": "1"}
logconfig_dict = {"version": 1}
access_log_format = "%(h)s"
accesslog = "-"
pidfile = "/run/a.pid"
logger_class = "a.Logger"
limit_request_line = 0
limit_request_field_size = 0
keepalive = 5
strip_header_spaces = True
header_map = "dangerous"
root_path = "/a"
`, "threads/gunicorn.conf.py": "wsgi_app = 'a:b'\nworker_class = 'gthread'\nkeepalive = 5\ntimeout = 20\nlogger_class = 'gunicorn.glogging.Logger'\naccess_log_format = 'x'\n"})
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "gunicorn.conf.py")).Text),
		"gunicorn.conf.py:2: secure_scheme_headers = X-SSL: 1: not carried over: whether a request came by https is told by X-Forwarded-Proto: have the proxy set it", "!trusted_proxies", "!keepalive = 5: not carried",
		"gunicorn.conf.py:3: logconfig_dict = <dict>: not carried over: configure logging in the application",
		"gunicorn.conf.py:4: access_log_format = %(h)s: log.access writes lines of a form of its own",
		"gunicorn.conf.py:6: pidfile = /run/a.pid: no such file is written: wsgid-fleet status APP tells the process",
		"gunicorn.conf.py:7: logger_class = a.Logger: not carried over: configure logging",
		"gunicorn.conf.py:8: limit_request_line = 0: it was without a limit; here request.max_line says it",
		"gunicorn.conf.py:9: limit_request_field_size = 0: the head of a request may be as large as request.max_head says",
		"gunicorn.conf.py:10: keepalive = 5: gunicorn closed each connection after its answer; here it waits for request.keep_alive_timeout",
		"gunicorn.conf.py:11: strip_header_spaces = true: not carried over: a request that is not as HTTP/1.1 has it is refused with 400",
		"gunicorn.conf.py:12: header_map = dangerous: not carried over: which headers of a proxy count is said by request.trusted_headers",
		"gunicorn.conf.py:13: root_path = /a: not carried over: write script_name")
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "threads/gunicorn.conf.py")).Text),
		`keep_alive_timeout = "5s"`, `request_timeout = "24h" # gunicorn.conf.py:4: timeout = 20; with threads gunicorn ends no request by it, however long it takes`,
		"!logger_class", "!access_log_format")
	holds(t, string(importOne(t, facts.Options{Format: "command"}, "gunicorn --header-map dangerous --no-control-socket --threads 2 a:b").Text), "--header-map dangerous: not carried over",
		`request_timeout = "24h" # command: gunicorn's timeout of 30 s; with threads gunicorn ends no request by it`)
}

// gunicorn takes its prefix from a variable, wherever that is set.
func TestGunicornPrefix(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"a.service": "[Service]\nEnvironment=SCRIPT_NAME=/blog\nExecStart=/usr/bin/gunicorn a:b\n",
		"b.service": "[Service]\nEnvironment=SCRIPT_NAME=/blog\nExecStart=/usr/bin/gunicorn -e SCRIPT_NAME=/shop/ a:b\n",
		"c.service": "[Service]\nExecStart=/usr/bin/uwsgi --http-socket :8000 --module a:b --env SCRIPT_NAME=/blog\n",
	})
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "a.service")).Text), `script_name       = "/blog" # a.service:3: the variable SCRIPT_NAME`)
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "b.service")).Text), `script_name       = "/shop"`)
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "c.service")).Text), "!script_name")
}

func TestUWSGIOptionsThatClientsSee(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"a.ini": `[uwsgi]
mount = /blog=a.py
manage-script-name = true
http-socket = :8000
threads = 4
harakiri = 20
http-auto-gzip = true
mimefile = /etc/own.types
static-safe = /srv/shared
disable-logging = true
log-5xx = true
pidfile = /run/a.pid
logfile-chmod = 644
`, "one.ini": "[uwsgi]\nmodule = a\nhttp-socket = :8000\nharakiri = 20\nlog-5xx = true\n"})
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "a.ini")).Text),
		"a.ini:6: harakiri = 20: uWSGI forgot the limit of a request as soon as another thread of its worker ended one",
		`request_timeout = "20s"`, `script_name = "/blog"`,
		"a.ini:2: mount = /blog=a.py: uWSGI gave the app paths outside of /blog too, without SCRIPT_NAME; here all requests have it",
		"a.ini:7: http-auto-gzip = true: not carried over: answers are not compressed",
		"a.ini:8: mimefile = /etc/own.types: not carried over: a file of a static block has the type that its ending has everywhere",
		"a.ini:9: static-safe = /srv/shared: not carried over: a static block serves the files below its dir",
		"a.ini:11: log-5xx = true: uWSGI logged some requests and no others; log.access writes each, or none, as here",
		"a.ini:12: pidfile = /run/a.pid: no such file is written", "a.ini:13: logfile-chmod = 644: the log is logs/wsgid.log")
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "one.ini")).Text), "!forgot", "!log-5xx")
}

// uWSGI adds the socket of its unit to its own, gunicorn takes it in place of them.
func TestSocketUnitOfUWSGI(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"a.service": "[Service]\nExecStart=/usr/bin/uwsgi --http-socket 127.0.0.1:8001 --module a:b\n", "a.socket": "[Socket]\nListenStream=127.0.0.1:8002\n",
		"b.service": "[Service]\nExecStart=/usr/bin/gunicorn -b 127.0.0.1:8001 a:b\n", "b.socket": "[Socket]\nListenStream=127.0.0.1:8002\n",
	})
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "a.service")).Text), `listen = "127.0.0.1:8001"`, `listen = "127.0.0.1:8002"`,
		"ListenStream=127.0.0.1:8002: uWSGI listened there beside its own addresses, and spoke its own protocol whatever http-socket says (HTTP with protocol = http); HTTP is spoken now: in nginx write proxy_pass http://127.0.0.1:8002;")
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "b.service")).Text), "!listen = \"127.0.0.1:8001", `listen = "127.0.0.1:8002"`, "!uWSGI")
}

// Variables that supervisord sets count where it fills in variables.
func TestSupervisordVariablesOfItsOwn(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"s.conf": `[supervisord]
environment=PORT="8001",APP="global"
[program:web]
environment=APP="shop",HERE="%(ENV_PORT)s"
command=gunicorn -b 127.0.0.1:%(ENV_PORT)s %(ENV_APP)s:app
directory=/srv/%(ENV_APP)s
`, "bad.conf": "[program:web]\nenvironment=N=\"3\"\nnumprocs=%(ENV_N)s\ncommand=gunicorn a:b\n"})
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "s.conf")).Text), `listen = "127.0.0.1:8001"`, `wsgi_app = "shop:app"`, `working_directory = "/srv/shop"`, `HERE = "8001"`, `APP = "shop"`)
	if _, err := Import(facts.Options{}, filepath.Join(dir, "bad.conf")); err == nil {
		t.Error("supervisord does not know a program's variables where it reads numprocs")
	} else {
		holds(t, err.Error(), "bad.conf:3: numprocs: %(ENV_N)s is not known here: supervisord does not start without it")
	}
}

// What foreman makes nothing of, or something odd, is said without the values.
func TestProcfileEnvironmentUnsaid(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"Procfile": "web: gunicorn a:b\n",
		".env": "export TOKEN=hunter2\nKEY = hunter2\n# OFF=1\nNOTE=hunter2 # note\nQUOTED=\"hunter2\" # note\nPLAIN=a#b\nESCAPED=\"a\\\"b\"\n\nnot one\n"})
	holds(t, string(importOne(t, facts.Options{}, dir).Text),
		".env:1: TOKEN: not carried over: foreman takes nothing from the line: it wants NAME=VALUE, without export and without blanks before the value",
		".env:2: KEY: not carried over: foreman takes nothing from the line", "!OFF", "!hunter2",
		".env:4: NOTE: foreman takes a quote and what stands behind it, and # and what follows, as they are", ".env:5: QUOTED: foreman takes",
		".env:6: PLAIN: heroku local and the foreman of npm end the value at # outside of quotes", ".env:7: ESCAPED: heroku local and the foreman of npm", "!.env:9")
}

// A line of an environment file that systemd drops is told, and nothing of what may be secret.
func TestEnvironmentFileUnsaid(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"env": "A=1\nexport TOKEN=hunter2\nKEY=begin\nhunter2/x==\nhunter2\n; note\nB=2 # note\n"})
	unit := filepath.Join(dir, "a.service")
	if err := os.WriteFile(unit, []byte("[Service]\nEnvironmentFile="+dir+"/env\nExecStart=/usr/bin/gunicorn a:b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	holds(t, string(importOne(t, facts.Options{}, unit).Text), "# env:2: systemd drops a line with export, and so does this; python-dotenv and shells take it: write TOKEN=… without export",
		"# env:4: a line that is no NAME=VALUE is dropped", "# env:5: a line that is no NAME=VALUE is dropped", "!hunter2", "!env:6", "!env:7")
}

func TestApacheDirectivesThatClientsSee(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"a.conf": `WSGIPythonOptimize 2
AddDefaultCharset utf-8
KeepAlive Off
WSGIDaemonProcess a threads=5 request-timeout=60 home=/ stack-size=1000000 python-eggs=/var/eggs
<VirtualHost *:8080>
  ServerName a.example
  UseCanonicalName On
  HostnameLookups On
  WSGIScriptAlias / /srv/a.wsgi process-group=a
  SSLProtocol all
  SetOutputFilter DEFLATE
  Alias /docs /srv/docs
  <Directory /srv/docs>
    Options +Indexes -FollowSymLinks
    Order allow,deny
    Allow from 10.0.0.0/8
  </Directory>
  <Location /open>
    Order allow,deny
    Allow from all
  </Location>
  <Location /shut>
    Order Allow,Deny
  </Location>
  SSLCertificateChainFile /etc/chain.pem
  SSLOptions +StdEnvVars
  <FilesMatch "[.]cgi$">
    SSLOptions +StdEnvVars
  </FilesMatch>
</VirtualHost>
`, "one.conf": "AddDefaultCharset Off\nWSGIScriptReloading Off\nWSGIDaemonProcess a threads=1 request-timeout=60 home=/\n<VirtualHost *:8080>\nWSGIScriptAlias / /srv/a.wsgi process-group=a\nAlias /s /srv/s\n<Location /s>\nSetHandler None\n</Location>\n</VirtualHost>\n"})
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "a.conf")).Text),
		`PYTHONOPTIMIZE   = "2"`, `PYTHON_EGG_CACHE = "/var/eggs"`, `request_timeout = "5m"`,
		"# a.conf:4: WSGIDaemonProcess a request-timeout=60; mod_wsgi takes the mean over all 5 threads of a process, so a lone request could take 5 times as long",
		"a.conf:2: AddDefaultCharset utf-8: not carried over: an answer of text without a charset goes out as it is",
		"a.conf:3: KeepAlive Off: a connection waits for its next request for request.keep_alive_timeout here",
		"a.conf:4: WSGIDaemonProcess a stack-size=1000000: not carried over: threads have the stack that Python gives them",
		"a.conf:7: UseCanonicalName On: SERVER_NAME is what the request asks for here", "a.conf:8: HostnameLookups On: no name is looked up for REMOTE_HOST",
		"a.conf:10: SSLProtocol all: TLS is chosen by the fleet", "a.conf:11: SetOutputFilter DEFLATE: not carried over: answers are not compressed",
		"a.conf:14: <Directory /srv/docs> Options +Indexes -FollowSymLinks: a static block makes no list of a folder's files",
		"a.conf:16: <Directory /srv/docs> Allow from 10.0.0.0/8: not carried over: who may ask is decided by the app", "!a.conf:15", "!a.conf:19", "!a.conf:20",
		"a.conf:23: <Location /shut> Order Allow,Deny: not carried over: who may ask", "mod_wsgi started the app anew when the file of WSGIScriptAlias was touched", "and for a folder its index.html",
		"a.conf:25: SSLCertificateChainFile /etc/chain.pem: not carried over: tls.cert is one file: append these certificates to it",
		"a.conf:26: SSLOptions +StdEnvVars: no variable SSL_… reaches the app", "!a.conf:28", "Apache took . and .. out of the path of a request, made one of several slashes, and answered 404 to %2F")
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "one.conf")).Text), `request_timeout = "60s"`, "!mean", "!SetHandler", "!AddDefaultCharset", "!started the app anew")
}
