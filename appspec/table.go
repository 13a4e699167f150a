package appspec

import (
	"slices"
	"time"
)

const (
	ms     = float64(time.Millisecond)
	day    = float64(24 * time.Hour)
	kib    = 1 << 10
	mib    = 1 << 20
	tib    = 1 << 40
	anyInt = 1<<31 - 1
)

//go:generate go test ./hclspec -run TestReference -update

// attributes is the table: the one place that knows the attributes of the
// language. After a change run go generate ./appspec for the reference page.
var attributes = slices.Concat(appAttributes, processAttributes, scheduleAttributes, backendAttributes, deployAttributes)

var appAttributes = []Attribute{
	{Path: "root", Type: TypeString, Default: `"/var/wsgid"`, RootOnly: true,
		Disruption: Replace, Form: "an absolute path", check: checkAbsolute,
		Doc: "where the app folders are: an app without `path` lives in `<root>/<name>`; stands in `defaults` only"},
	{Path: "apply", Type: TypeString, Default: `"auto"`, RootOnly: true,
		OneOf: []string{"auto", "manual"}, Disruption: Live, Example: `"manual"`,
		Doc: "`manual`: edits of the directory wait for the command `apply`, and `status` shows what waits, as with `run --hold`; stands in `defaults` only"},
	{Path: "path", Type: TypeString, NoDefaults: true, Example: `"/var/wsgid/blog"`,
		Disruption: Replace, Form: "an absolute path", check: checkFolder,
		Doc: "the app folder; default: `<root>/<name>`",
		at:  func(s *Spec, _ int) any { return &s.Path }},
	{Path: "enabled", Type: TypeBool, Default: "true", Disruption: Replace,
		Doc: "`false`: the app is drained and stopped, its folder kept in repair",
		at:  func(s *Spec, _ int) any { return &s.Enabled }},
	{Path: "loader", Type: TypeString, Default: `"auto"`, Disruption: Rolling,
		Form: "`auto`, `wsgi`, `django`, `pyroutes` or the class name of a plugin loader", check: checkLoader,
		Doc: "who finds the application in the folder",
		at:  func(s *Spec, _ int) any { return &s.Loader }},
	{Path: "wsgi_app", Type: TypeString, NoDefaults: true, Disruption: Rolling, Example: `"blog.wsgi:application"`,
		Form: "`module:attr`, `module.attr` or `module:factory()`; an absolute file, of any name, `:attr` behind it where that is not `application`; of one that ends with `.ini`: `:NAME` of its section where that is not `main`", check: checkWSGIApp,
		Doc: "the WSGI callable, such as `blog.wsgi:application` or `/usr/bin/keystone-wsgi-public`; a file `.ini`, as Pyramid has it for `pserve`, is read by PasteDeploy, with its logging; default: the loader finds it",
		at:  func(s *Spec, _ int) any { return &s.WSGIApp }},
	{Path: "code", Type: TypeString, Disruption: Rolling, Example: `"."`,
		Form: "a path, relative to the app folder; `.` is the folder itself", check: checkCode,
		Doc: "the folder with the code, which is searched for modules; default: `app`, or, where `path` has no `app` but is a checkout (it holds a Python file, `pyproject.toml`, `requirements.txt` or the like), the folder itself. Of a release that `deploy` has brought: relative to that, default `.`",
		at:  func(s *Spec, _ int) any { return &s.Code }},
	{Path: "own_code", Type: TypeBool, Disruption: Live, Example: "false",
		Doc: "`true`: the app folder, `plugins` and the folder with the code are given to the user of the app; `false`: they stay their owner's, whoever that is, and the fleet takes only what it writes: `logs`, `pid`, `wsgid.json` and `django.json`. Default: `true` for those that belong to root or nobody, `false` for those of anybody else who brings the code there, and for a checkout",
		at:  func(s *Spec, _ int) any { return &s.OwnCode }},
	{Path: "loader_dirs", Type: TypeList, Default: "[]", Disruption: Rolling, Example: `["loaders"]`,
		Form: "paths, relative to the app folder or absolute", check: checkText,
		Doc: "more folders with plugins, searched in order",
		at:  func(s *Spec, _ int) any { return &s.LoaderDirs }},
	{Path: "middleware", Type: TypeList, Default: "[]", Disruption: Rolling, Example: `["blog.mw:Timing"]`,
		Form: "each `module:attr` or `module.attr`", check: checkApplication,
		Doc: "callables that wrap the application, the first is the outermost",
		at:  func(s *Spec, _ int) any { return &s.Middleware }},
	{Path: "python", Type: TypeString, Disruption: Rolling, Example: `"/usr/bin/python3"`,
		Form: "an absolute path", check: checkAbsolute,
		Doc: "the interpreter, CPython 3.8 or newer; default: `/usr/bin/python3`, else the first `python3` of PATH",
		at:  func(s *Spec, _ int) any { return &s.Python }},
	{Path: "virtualenv", Type: TypeString, Disruption: Rolling, Example: `"venv"`,
		Form: "a path, relative to the app folder or absolute", check: checkText,
		Doc: "a virtualenv, whose Python wins over `python`",
		at:  func(s *Spec, _ int) any { return &s.Virtualenv }},
	{Path: "user", Type: TypeString, Disruption: Replace, Example: `"blog"`,
		Form: "a user's name", check: checkUser,
		Doc: "whom the workers run as; default: the owner of the app folder if that is not root, else `wsgid`, else `www-data`, else an error; `root` only where it is named here",
		at:  func(s *Spec, _ int) any { return &s.User }},
	{Path: "group", Type: TypeString, Disruption: Replace, Example: `"blog"`,
		Form: "a group's name", check: checkUser,
		Doc: "the group of the workers; default: the primary group of the user",
		at:  func(s *Spec, _ int) any { return &s.Group }},
	{Path: "chroot", Type: TypeBool, Default: "false", Disruption: Replace,
		Doc: "master and workers see the app folder as `/`; needs a daemon that is root",
		at:  func(s *Spec, _ int) any { return &s.Chroot }},
	{Path: "debug", Type: TypeBool, Default: "false", Disruption: Rolling,
		Doc: "log at debug level; the bodies of error answers say why",
		at:  func(s *Spec, _ int) any { return &s.Debug }},
	{Path: "server_header", Type: TypeBool, Default: "true", Disruption: Live,
		Doc: "responses carry `X-Wsgid: <version>`",
		at:  func(s *Spec, _ int) any { return &s.ServerHeader }},
	{Path: "env", Type: TypeMap, Default: "{}", Disruption: Rolling, Example: `{ TZ = "UTC" }`,
		Form: "names without `=`", check: checkText,
		Doc: "environment variables, set before the app is loaded; merged with those of `defaults` key by key, `null` takes one away",
		at:  func(s *Spec, _ int) any { return &s.Env }},

	{Path: "env_file", Type: TypeList, Default: "[]", Disruption: Rolling, Example: `["/etc/blog/env"]`,
		Form: "paths, relative to the directory of the spec file or absolute, `-` before one that need not be there", check: checkText,
		Doc: "files with environment variables, a line `NAME=value` each, read as systemd reads an EnvironmentFile: their variables win over `env`, those of a later file over an earlier one's, and are all sensitive. What changes in them is a change of `env`. `validate` warns of lines that python-dotenv reads otherwise",
		at:  func(s *Spec, _ int) any { return &s.EnvFile }},

	{Path: "hosts", Type: TypeList, Default: "[]", NoDefaults: true, Disruption: Live, Example: `["blog.example.org", "*.blog.example.org"]`,
		Form: "host names; `*.` before a name stands for one label", check: checkHostPattern,
		Doc: "the names by which the `gate` brings connections to the app, which needs no socket of its own then; the first one and the last one of an app come or go with a new master",
		at:  func(s *Spec, _ int) any { return &s.Hosts }},
	{Path: "tls.cert", Type: TypeString, Required: true, Disruption: Live, Example: `"/etc/ssl/blog.pem"`,
		Form: "an absolute path", check: checkAbsolute,
		Doc: "the certificate chain, PEM",
		at: func(s *Spec, _ int) any {
			if s.TLS != nil {
				return &s.TLS.Cert
			}
			return nil
		}},
	{Path: "tls.key", Type: TypeString, Required: true, Disruption: Live, Example: `"/etc/ssl/blog.key"`,
		Form: "an absolute path", check: checkAbsolute,
		Doc: "its private key, PEM",
		at: func(s *Spec, _ int) any {
			if s.TLS != nil {
				return &s.TLS.Key
			}
			return nil
		}},

	{Path: "umask", Type: TypeMode, Default: `"0022"`, Disruption: Rolling,
		Form: "octal digits",
		Doc:  "the umask of the workers: the permissions that files which the app makes do not get; whatever the umask of the daemon is",
		at:   func(s *Spec, _ int) any { return &s.Umask }},
	{Path: "working_directory", Type: TypeString, Disruption: Rolling, Example: `"app"`,
		Form: "a path, relative to the app folder or absolute", check: checkText,
		Doc: "the working directory of the workers; `app` in it is the release that they run; default: the app folder. Where modules are imported from is said by `code`",
		at:  func(s *Spec, _ int) any { return &s.WorkingDirectory }},
	{Path: "script_name", Type: TypeString, NoDefaults: true, Disruption: Live, Example: `"/blog"`,
		Form: "a path that begins with `/` and does not end with one", check: checkMount,
		Doc: "where the app is mounted: its SCRIPT_NAME, which is cut off the path of a request where it stands there, as the proxy in front may have cut it off; default: `SCRIPT_NAME` of `env`, as gunicorn reads it. A prefix by `x-forwarded-prefix` of a trusted proxy, and a route of mongrel2, win over it. CherryPy puts it before the path again: mount its application at the same prefix, or at `None`",
		at:  func(s *Spec, _ int) any { return &s.ScriptName }},
	{Path: "no_new_privileges", Type: TypeBool, Default: "false", Disruption: Rolling, Example: "true",
		Doc: "`true`: programs that the app starts get nothing by their set-user-ID and set-group-ID bits, as sudo, and Postfix's sendmail, need them; with `chroot` it is so always",
		at:  func(s *Spec, _ int) any { return &s.NoNewPrivileges }},

	{Path: "sockets.http.listen", Type: TypeString, Required: true, Disruption: Replace,
		Example: `"127.0.0.1:8000"`,
		Form:    "`host:port`, `unix:/path` or `systemd:NAME` (a FileDescriptorName)", check: checkListen,
		Doc: "the address; `0.0.0.0` is all of IPv4, `[::]` all of IPv6, `*` both",
		at:  func(s *Spec, i int) any { return &s.Sockets.HTTP[i].Listen }},
	{Path: "sockets.http.mode", Type: TypeMode, Default: `"0660"`, Disruption: Replace,
		Form: "octal digits",
		Doc:  "permissions of a unix socket",
		at:   func(s *Spec, i int) any { return &s.Sockets.HTTP[i].Mode }},
	{Path: "sockets.http.owner", Type: TypeString, Disruption: Replace, Example: `"blog"`,
		Form: "a user's name", check: checkUser,
		Doc: "owner of a unix socket; default: the user of the app",
		at:  func(s *Spec, i int) any { return &s.Sockets.HTTP[i].Owner }},
	{Path: "sockets.http.group", Type: TypeString, Disruption: Replace, Example: `"www-data"`,
		Form: "a group's name", check: checkUser,
		Doc: "group of a unix socket; default: the group of the app",
		at:  func(s *Spec, i int) any { return &s.Sockets.HTTP[i].Group }},
	{Path: "sockets.http.tls.cert", Type: TypeString, Required: true, Disruption: Replace, Example: `"/etc/ssl/blog.pem"`,
		Form: "an absolute path", check: checkAbsolute,
		Doc: "the certificate chain, PEM",
		at: func(s *Spec, i int) any {
			if t := s.Sockets.HTTP[i].TLS; t != nil {
				return &t.Cert
			}
			return nil
		}},
	{Path: "sockets.http.tls.key", Type: TypeString, Required: true, Disruption: Replace, Example: `"/etc/ssl/blog.key"`,
		Form: "an absolute path", check: checkAbsolute,
		Doc: "its private key, PEM",
		at: func(s *Spec, i int) any {
			if t := s.Sockets.HTTP[i].TLS; t != nil {
				return &t.Key
			}
			return nil
		}},
	{Path: "sockets.mongrel2.recv", Type: TypeString, Required: true, Disruption: Replace, Example: `"tcp://127.0.0.1:9997"`,
		Form: "a ZeroMQ endpoint: `tcp://host:port`, `ipc:///path`, `inproc`, `pgm` or `epgm`", check: checkEndpoint,
		Doc: "the handler's `send_spec`: requests are pulled from it",
		at:  func(s *Spec, i int) any { return &s.Sockets.Mongrel2[i].Recv }},
	{Path: "sockets.mongrel2.send", Type: TypeString, Required: true, Disruption: Replace, Example: `"tcp://127.0.0.1:9996"`,
		Form: "a ZeroMQ endpoint, as `recv`", check: checkEndpoint,
		Doc: "the handler's `recv_spec`: responses are published to it",
		at:  func(s *Spec, i int) any { return &s.Sockets.Mongrel2[i].Send }},
	{Path: "sockets.mongrel2.chroot", Type: TypeString, Disruption: Replace, Example: `"/var/mongrel2"`,
		Form: "an absolute path", check: checkAbsolute,
		Doc: "the chroot of the mongrel2 server, put before the paths of async uploads",
		at:  func(s *Spec, i int) any { return &s.Sockets.Mongrel2[i].Chroot }},

	{Path: "workers.count", Type: TypeInt, Default: "1", Disruption: Live, Min: 1, Max: MaxWorkers,
		Doc: "a fixed number of workers; or `min` and `max`",
	},
	{Path: "workers.min", Type: TypeInt, Disruption: Live, Max: MaxWorkers, Example: "1",
		Doc: "the least number of workers; 0: the first request starts one; default: 1 where `max` is set",
		at:  func(s *Spec, _ int) any { return &s.Workers.Min }},
	{Path: "workers.max", Type: TypeInt, Disruption: Live, Min: 1, Max: MaxWorkers, Example: "8",
		Doc: "the largest number of workers; between the two the load decides",
		at:  func(s *Spec, _ int) any { return &s.Workers.Max }},
	{Path: "workers.threads", Type: TypeInt, Default: "1", Disruption: Rolling, Min: 1, Max: 1024,
		Doc: "threads of a worker, each serves one request at a time",
		at:  func(s *Spec, _ int) any { return &s.Workers.Threads }},
	{Path: "workers.reserve", Type: TypeInt, Default: "1", Disruption: Live, Max: 1024, Zero: true,
		Doc: "how many threads of all workers slow requests leave free, so that quick ones need not wait for them. Slow are those whose method and path took lately 10 ms or more, and four times the average of all; parts of a path with digits are alike. Such a request waits until another slow one ends, for three times its usual time, a second at most. With fewer than three threads in all none is left free. 0: never",
		at:  func(s *Spec, _ int) any { return &s.Workers.Reserve }},
	{Path: "workers.request_timeout", Type: TypeDuration, Default: `"60s"`, Disruption: Live, Min: ms, Max: day,
		Doc: "time until the head of the response, then between two pieces of it; past it the client gets 504, or its connection is cut, the worker is killed and replaced, its Python stack is logged. Behind Caddy 2.6 and lighttpd a response without a length that was cut looks whole to clients",
		at:  func(s *Spec, _ int) any { return &s.Workers.RequestTimeout }},
	{Path: "workers.start_timeout", Type: TypeDuration, Default: `"30s"`, Disruption: Live, Min: ms, Max: day,
		Doc: "time for a worker to import the app",
		at:  func(s *Spec, _ int) any { return &s.Workers.StartTimeout }},
	{Path: "workers.start_nice", Type: TypeInt, Default: "10", Disruption: Live, Max: 19,
		Doc: "by how much a worker is nicer than others (nice(1)) while it imports the app and all whom it joins or replaces serve on: in a rollout, a reload, a recycling, for a quarter of `start_timeout` at most. 0: not at all. Only of masters that may end it (root with CAP_SYS_NICE)",
		at:  func(s *Spec, _ int) any { return &s.Workers.StartNice }},
	{Path: "workers.stop_timeout", Type: TypeDuration, Default: `"30s"`, Disruption: Live, Min: ms, Max: day,
		Doc: "time to drain",
		at:  func(s *Spec, _ int) any { return &s.Workers.StopTimeout }},
	{Path: "workers.idle_timeout", Type: TypeDuration, Default: `"5m"`, Disruption: Live, Min: ms, Max: 365 * day,
		Doc: "with `min` and `max`: how long a worker that is not needed is kept",
		at:  func(s *Spec, _ int) any { return &s.Workers.IdleTimeout }},
	{Path: "workers.max_requests", Type: TypeInt, Default: "0", Disruption: Live, Max: anyInt, Zero: true,
		Doc: "a worker is recycled after that many requests, with 10 % jitter, its replacement first; 0: never",
		at:  func(s *Spec, _ int) any { return &s.Workers.MaxRequests }},
	{Path: "workers.max_memory", Type: TypeSize, Default: `"0"`, Disruption: Live, Min: mib, Max: 1024 * tib, Zero: true, Example: `"512MiB"`,
		Doc: "a worker is recycled when its resident size is larger, its replacement first; 0: never",
		at:  func(s *Spec, _ int) any { return &s.Workers.MaxMemory }},
	{Path: "workers.max_age", Type: TypeDuration, Default: `"0s"`, Disruption: Live, Min: ms, Max: 3650 * day, Zero: true, Example: `"24h"`,
		Doc: "a worker is recycled when it has served that long, with 10 % jitter, its replacement first; 0: never",
		at:  func(s *Spec, _ int) any { return &s.Workers.MaxAge }},
	{Path: "workers.preload", Type: TypeBool, Default: "false", Disruption: Rolling,
		Doc: "load the app once and fork the workers from it; what they would share then (sockets, pipes, connections other than Django's) keeps them from it and is named: see `wsgid.prefork`, `wsgid.postfork` and `wsgid.shared` in examples/systemd/README.md",
		at:  func(s *Spec, _ int) any { return &s.Workers.Preload }},
	{Path: "workers.keep_alive", Type: TypeBool, Default: "true", Disruption: Live,
		Doc: "replace a worker that died (an option of wsgid)",
		at:  func(s *Spec, _ int) any { return &s.Workers.KeepAlive }},
	{Path: "workers.queue", Type: TypeInt, Default: "1024", Disruption: Live, Max: 1 << 20,
		Doc: "requests that may wait for a worker; one more gets 503 with Retry-After",
		at:  func(s *Spec, _ int) any { return &s.Workers.Queue }},
	{Path: "workers.queue_timeout", Type: TypeDuration, Default: `"30s"`, Disruption: Live, Min: ms, Max: day,
		Doc: "how long a request waits for a worker before it gets 503",
		at:  func(s *Spec, _ int) any { return &s.Workers.QueueTimeout }},

	{Path: "django.settings", Type: TypeString, Disruption: Rolling, Example: `"blog.settings"`,
		Form: "a dotted module name", check: CheckModule,
		Doc: "the settings module; default: found in the app",
		at: func(s *Spec, _ int) any {
			if s.Django != nil {
				return &s.Django.Settings
			}
			return nil
		}},
	{Path: "django.overrides", Type: TypeObject, Default: "{}", Disruption: Rolling, Example: `{ DEBUG = false }`,
		Doc: "settings that become django.json; merged with those of `defaults` key by key",
		at: func(s *Spec, _ int) any {
			if s.Django != nil {
				return &s.Django.Overrides
			}
			return nil
		}},

	{Path: "request.max_body", Type: TypeSize, Default: `"100MiB"`, Disruption: Live, Min: 1, Max: 1024 * tib,
		Doc: "the largest request body; a larger one gets 413",
		at:  func(s *Spec, _ int) any { return &s.Request.MaxBody }},
	{Path: "request.max_line", Type: TypeSize, Default: `"32KiB"`, Disruption: Live, Min: kib, Max: 48 * kib,
		Doc: "the longest request line, which holds path and query; a longer one gets 414. For this and the next two, behind mongrel2 that server's own limits hold",
		at:  func(s *Spec, _ int) any { return &s.Request.MaxLine }},
	{Path: "request.max_head", Type: TypeSize, Default: `"80KiB"`, Disruption: Live, Min: kib, Max: 112 * kib,
		Doc: "the largest request head, which is line and headers; a larger one gets 431",
		at:  func(s *Spec, _ int) any { return &s.Request.MaxHead }},
	{Path: "request.max_headers", Type: TypeInt, Default: "256", Disruption: Live, Min: 1, Max: 1024,
		Doc: "the most headers of a request; more get 431",
		at:  func(s *Spec, _ int) any { return &s.Request.MaxHeaders }},
	{Path: "request.header_timeout", Type: TypeDuration, Default: `"10s"`, Disruption: Live, Min: ms, Max: day,
		Doc: "time for a client to send the request head",
		at:  func(s *Spec, _ int) any { return &s.Request.HeaderTimeout }},
	{Path: "request.body_timeout", Type: TypeDuration, Default: `"60s"`, Disruption: Live, Min: ms, Max: day,
		Doc: "how long a client may send no byte of a body it began, or read none of its response, and the disk may take nothing of a body (503)",
		at:  func(s *Spec, _ int) any { return &s.Request.BodyTimeout }},
	{Path: "request.buffering", Type: TypeBool, Default: "true", Disruption: Live,
		Doc: "`false`: the app is called as soon as the head of a request is there, and reads the body as it arrives; `100 Continue` is sent when it begins to. The client waits where the app does not keep up. A slow client holds its worker, whose `request_timeout` does not run while it waits for one: so `body_timeout` and `min_rate` count for what clients send, below them 408; reading then raises `ConnectionAbortedError`, as where the client has gone or sent more than `max_body` (413). A body in chunks has no `CONTENT_LENGTH` then, and `read` ends where it does: Flask and Pyramid read it, Django, Falcon and Bottle take it for empty. An answer given before all of the body has come closes an HTTP/1 connection. It holds for HTTP, HTTPS and HTTP/2; mongrel2 brings whole bodies by itself",
		at:  func(s *Spec, _ int) any { return &s.Request.Buffering }},
	{Path: "request.keep_alive_timeout", Type: TypeDuration, Default: `"75s"`, Disruption: Live, Min: ms, Max: day,
		Doc: "how long a connection is kept open without a request. A proxy in front is to end it first, for where this does so as the next request comes, the proxy answers 502: nginx keeps one for 60s, Caddy for 2m, Apache for ever unless `ProxyPass` has `ttl=60`",
		at:  func(s *Spec, _ int) any { return &s.Request.KeepAliveTimeout }},
	{Path: "request.response_buffer", Type: TypeSize, Default: `"64MiB"`, Disruption: Live, Min: mib, Max: tib,
		Doc: "memory of a master, for all clients together, for what they have not read yet of their responses; what comes beyond it waits in `spool`. Bodies of requests have a quarter of it, up to 768KiB each, and two thirds in pipes, up to 16MiB each; others wait in files",
		at:  func(s *Spec, _ int) any { return &s.Request.ResponseBuffer }},
	{Path: "request.spool", Type: TypeSize, Default: `"1GiB"`, Disruption: Live, Min: mib, Max: 1024 * tib, Zero: true,
		Doc: "the largest size of the file, without a name in the folder for temporary files, where responses wait for clients that read slowly; past it workers wait for their clients. The bodies of requests have as much once more: one that finds no room gets 503, unless it is alone; 0: no file, and one body at a time",
		at:  func(s *Spec, _ int) any { return &s.Request.Spool }},
	{Path: "request.min_rate", Type: TypeSize, Default: `"1KiB"`, Disruption: Live, Min: 1, Max: tib, Zero: true,
		Doc: "bytes a second that a client must read of a response that waits for it, on average over `body_timeout`, or over 10s while a worker must wait for it; below it the connection is cut; 0: any byte in `body_timeout` will do. Behind mongrel2 that server's own limits hold",
		at:  func(s *Spec, _ int) any { return &s.Request.MinRate }},
	{Path: "request.trusted_proxies", Type: TypeList, Default: "[]", Disruption: Live, Example: `["10.0.0.0/8"]`,
		Form: "CIDRs; `unix`: whoever may connect to a unix socket", check: checkProxy,
		Doc: "whose headers of `trusted_headers` are believed",
		at:  func(s *Spec, _ int) any { return &s.Request.TrustedProxies }},
	{Path: "request.trusted_headers", Type: TypeList, Default: `["x-forwarded-for", "x-forwarded-proto", "forwarded"]`, Disruption: Live,
		Form: "of `x-forwarded-for`, `-proto`, `-host`, `-port`, `-prefix` and `forwarded`", check: checkTrustedHeader,
		Doc: "what is believed of a trusted proxy; name only what it sets or removes itself, for it passes a client's own through. The host of `forwarded` is believed where `x-forwarded-host` is",
		at:  func(s *Spec, _ int) any { return &s.Request.TrustedHeaders }},

	{Path: "static.url", Type: TypeString, Required: true, Disruption: Live, Example: `"/static/"`,
		Form: "a path that begins and ends with `/`", check: checkStaticURL,
		Doc: "the files of `dir` are served below it; of several blocks the one with the longest counts",
		at:  staticField(func(b *Static) any { return &b.URL })},
	{Path: "static.dir", Type: TypeString, Required: true, Disruption: Live, Example: `"app/static"`,
		Form: "a path, relative to the app folder or absolute", check: checkStaticDir,
		Doc: "their folder, in which `app` is the release that the workers run. No link leads out of it, and no name in it that begins with a dot is served",
		at:  staticField(func(b *Static) any { return &b.Dir })},
	{Path: "static.max_age", Type: TypeDuration, Default: `"1h"`, Disruption: Live, Min: float64(time.Second), Max: 365 * day, Zero: true,
		Doc: "how long a client may keep a file without asking again; 0: it asks each time. A name that carries a hash of the content (`app.5f3c9a1b2d4e.css`) is kept for a year",
		at:  staticField(func(b *Static) any { return &b.MaxAge })},

	{Path: "health.path", Type: TypeString, Required: true, Disruption: Live, Example: `"/healthz"`,
		Form: "a path that starts with `/`", check: checkURLPath,
		Doc: "health check path; 2xx and 3xx are good. The question has `script_name` as its SCRIPT_NAME",
		at: func(s *Spec, _ int) any {
			if s.Health != nil {
				return &s.Health.Path
			}
			return nil
		}},
	{Path: "health.host", Type: TypeString, Disruption: Live, Example: `"blog.example.org"`,
		Form: "a host, with or without port", check: checkHost,
		Doc: "whom the question names as Host; default: the first of `hosts` that is not a wildcard, else `localhost`, or where Django refuses that the first of its `ALLOWED_HOSTS`",
		at: func(s *Spec, _ int) any {
			if s.Health != nil {
				return &s.Health.Host
			}
			return nil
		}},
	{Path: "health.interval", Type: TypeDuration, Default: `"10s"`, Disruption: Live, Min: ms, Max: day,
		Doc: "time between two questions",
		at: func(s *Spec, _ int) any {
			if s.Health != nil {
				return &s.Health.Interval
			}
			return nil
		}},
	{Path: "health.timeout", Type: TypeDuration, Default: `"2s"`, Disruption: Live, Min: ms, Max: day,
		Doc: "time for an answer, at most `interval`",
		at: func(s *Spec, _ int) any {
			if s.Health != nil {
				return &s.Health.Timeout
			}
			return nil
		}},
	{Path: "health.failures", Type: TypeInt, Default: "3", Disruption: Live, Min: 1, Max: 1000,
		Doc: "bad answers in a row after which a worker is replaced",
		at: func(s *Spec, _ int) any {
			if s.Health != nil {
				return &s.Health.Failures
			}
			return nil
		}},

	{Path: "restart.min_delay", Type: TypeDuration, Default: `"1s"`, Disruption: Live, Min: ms, Max: day,
		Doc: "the first delay before a worker that cannot start is tried again",
		at:  func(s *Spec, _ int) any { return &s.Restart.MinDelay }},
	{Path: "restart.max_delay", Type: TypeDuration, Default: `"60s"`, Disruption: Live, Min: ms, Max: day,
		Doc: "the longest delay, at least `min_delay`",
		at:  func(s *Spec, _ int) any { return &s.Restart.MaxDelay }},
	{Path: "restart.reset_after", Type: TypeDuration, Default: `"60s"`, Disruption: Live, Min: ms, Max: day,
		Doc: "after that long without a failure the delay starts small again",
		at:  func(s *Spec, _ int) any { return &s.Restart.ResetAfter }},

	{Path: "limits.open_files", Type: TypeInt, Default: "0", Disruption: Rolling, Min: 64, Max: 1 << 30, Zero: true, Example: "4096",
		Doc: "RLIMIT_NOFILE of a worker; 0: as the daemon's",
		at:  func(s *Spec, _ int) any { return &s.Limits.OpenFiles }},
	{Path: "limits.processes", Type: TypeInt, Default: "0", Disruption: Rolling, Min: 1, Max: 1 << 22, Zero: true, Example: "512",
		Doc: "RLIMIT_NPROC of a worker, counted over all processes of its user; 0: as the daemon's",
		at:  func(s *Spec, _ int) any { return &s.Limits.Processes }},
	{Path: "limits.address_space", Type: TypeSize, Default: `"0"`, Disruption: Rolling, Min: 16 * mib, Max: 1024 * tib, Zero: true, Example: `"2GiB"`,
		Doc: "RLIMIT_AS of a worker; 0: none",
		at:  func(s *Spec, _ int) any { return &s.Limits.AddressSpace }},
	{Path: "limits.memory", Type: TypeSize, Default: `"0"`, Disruption: Live, Min: 16 * mib, Max: 1024 * tib, Zero: true, Example: `"1GiB"`,
		Doc: "MemoryMax of the app's scope, under systemd only; 0: none",
		at:  func(s *Spec, _ int) any { return &s.Limits.Memory }},
	{Path: "limits.cpu", Type: TypeFloat, Default: "0", Disruption: Live, Min: 0.01, Max: 4096, Zero: true, Example: "1.5",
		Doc: "cores: CPUQuota of the app's scope, under systemd only; 0: none",
		at:  func(s *Spec, _ int) any { return &s.Limits.CPU }},
	{Path: "limits.tasks", Type: TypeInt, Default: "0", Disruption: Live, Min: 2, Max: 1 << 22, Zero: true, Example: "512",
		Doc: "TasksMax of the app's scope, under systemd only; 0: none",
		at:  func(s *Spec, _ int) any { return &s.Limits.Tasks }},

	{Path: "log.target", Type: TypeString, Default: `"file"`, Disruption: Live,
		OneOf: []string{"file", "journal", "stderr"},
		Doc:   "where the app's output and our own lines about it go; `file`: logs/wsgid.log of the app folder; `stderr`: where the daemon's output goes, or, where no daemon runs, to the journal if one answers, else to that file; of an app folder on a read-only disk the file is logs/<app>.log of the data directory",
		at:    func(s *Spec, _ int) any { return &s.Log.Target }},
	{Path: "log.access", Type: TypeBool, Default: "false", Disruption: Live,
		Doc: "one line a request",
		at:  func(s *Spec, _ int) any { return &s.Log.Access }},
	{Path: "log.format", Type: TypeString, Default: `"text"`, Disruption: Live,
		OneOf: []string{"text", "json"},
		Doc:   "the form of our own lines and of the access log",
		at:    func(s *Spec, _ int) any { return &s.Log.Format }},
	{Path: "log.max_size", Type: TypeSize, Default: `"64MiB"`, Disruption: Live, Min: kib, Max: 1024 * tib,
		Doc: "size past which the log is rotated",
		at:  func(s *Spec, _ int) any { return &s.Log.MaxSize }},
	{Path: "log.keep", Type: TypeInt, Default: "5", Disruption: Live, Max: 1000,
		Doc: "rotated logs that are kept",
		at:  func(s *Spec, _ int) any { return &s.Log.Keep }},
}
