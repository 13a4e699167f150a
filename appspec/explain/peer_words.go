package explain

import (
	"iter"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// peerWord is what a name of another program's configuration is called here.
type peerWord struct {
	names string // lower case, _ for -; separated by blanks
	home  string // the path of our attribute or block; empty: there is none
	say   string // what else there is to say, or all of it
}

// peerWords are the names that people know from uWSGI, gunicorn, supervisord,
// systemd, nginx, docker compose, kubernetes and 30loops.
var peerWords = []peerWord{
	{"bind port address addr host hostname ip socket http_socket http_listen https_socket listen_address server_port uwsgi_socket fastcgi_socket", "sockets.http.listen", ""},
	{"ports expose container_port containerport", "sockets.http.listen", "no ports are mapped, the app itself listens"},
	{"processes procs numprocs num_procs num_workers worker_processes worker_count web_concurrency replicas instances scale", "workers.count", ""},
	{"cheaper min_workers min_instances", "workers.min", "with max"},
	{"max_workers max_instances", "workers.max", ""},
	{"timeout harakiri request_time_limit proxy_read_timeout", "workers.request_timeout", ""},
	{"graceful_timeout stopwaitsecs stop_grace_period timeoutstopsec terminationgraceperiodseconds worker_reload_mercy reload_mercy", "workers.stop_timeout", ""},
	{"startsecs timeoutstartsec start_period", "workers.start_timeout", ""},
	{"max_requests_jitter max_requests_delta", "", "leave it out: workers are recycled with 10 % jitter"},
	{"max_worker_lifetime", "workers.max_age", ""},
	{"reload_on_rss evil_reload_on_rss max_memory_per_worker", "workers.max_memory", ""},
	{"preload_app preload_apps", "workers.preload", ""},
	{"lazy lazy_apps", "", "leave it out: each worker loads the app itself, unless workers.preload = true"},
	{"backlog listen_backlog somaxconn", "workers.queue", "requests that wait for a worker"},
	{"worker_class gevent async asyncio worker_connections eventlet", "", "leave it out: a worker is one process; for more requests at a time write: workers { threads = 8 }"},
	{"home venv virtual_env virtualenv_path pyhome", "virtualenv", ""},
	{"python_path pythonpath pp", "env", "write: env = { PYTHONPATH = \"…\" }"},
	{"module wsgi wsgi_module callable app_module application wsgi_application", "wsgi_app", ""},
	{"wsgi_file wsgi_script file mount", "wsgi_app", ""},
	{"command cmd execstart entrypoint args exec program", "wsgi_app", "no command is run, workers load the application themselves"},
	{"chdir chdir2 cwd workdir working_dir workingdir workingdirectory directory", "working_directory", "where modules are imported from is code"},
	{"app_dir project_dir", "path", "the code belongs in app/ of that folder"},
	{"app_path", "path", ""},
	{"uid username run_as runas", "user", ""},
	{"gid groupname", "group", ""},
	{"nonewprivileges no_new_privs nonewprivs", "no_new_privileges", ""},
	{"environ envs env_vars environment_variables", "env", "write: env = { NAME = \"value\" }"},
	{"environmentfile envfile dotenv", "env_file", ""},
	{"envdir", "env", "write: env = { NAME = trimspace(file(\"/etc/…\")) }"},
	{"autostart", "enabled", ""},
	{"autorestart startretries restart_policy restartpolicy restartsec no_autorestart", "restart", "workers that end are always replaced; the delays are of the block restart: write: restart { min_delay = \"1s\" }"},
	{"image build dockerfile container", "", "no containers are run: install the app's packages in a virtualenv and write: virtualenv = \"venv\""},
	{"volumes mounts networks links labels annotations metadata apiversion kind depends_on after before requires wantedby description type priority", "", "leave it out: apps are independent of each other, and nothing is mounted for them"},
	{"static_map static_map2 static_url static_root static_dir static_path alias document_root check_static", "static.dir", StaticAdvice},
	{"include includes import extends", "", "leave it out: every *.hcl of the directory is read, and what all apps share is in defaults.hcl"},
	{"repository_url repo repo_url git git_url git_repository source_url clone_url", "deploy.repository", ""},
	{"repo_branch git_branch", "deploy.branch", ""},
	{"repo_commit git_commit revision git_ref", "deploy.commit", ""},
	{"wsgi_project_root project_root", "deploy.directory", ""},
	{"requirements_file requirement requirements_txt", "deploy.requirements", ""},
	{"install_setup_py setup_py", "deploy.install", ""},
	{"find_links wheelhouse wheel_dir", "deploy.wheels", ""},
	{"index_url pypi pip_index_url", "deploy.index", ""},
	{"deploy_key git_ssh_key identity_file identityfile", "deploy.ssh_key", ""},
	{"known_hosts_file userknownhostsfile", "deploy.known_hosts", ""},
	{"shared_dirs linked_dirs linked_files shared_paths", "deploy.shared", ""},
	{"keep_releases releases_to_keep", "deploy.keep", ""},
	{"release_command pre_deploy predeploy migrate migrations collectstatic before_deploy post_deploy after_deploy hooks", "",
		"commands of a deploy are its stages: write:\ndeploy {\n  stage \"migrate\" {\n    command = [\"python\", \"manage.py\", \"migrate\", \"--noinput\"]\n  }\n}"},
	{"wsgi_entrypoint", "wsgi_app", ""},
	{"variant", "", "leave it out: code comes from git, and an app is a Python app; the kind of a database is its engine: database { engine = \"postgresql\" }"},
	{"server_name cname_records cname cnames virtual_host vhost domain domains hostnames server_names host_names", "hosts", "the gate routes connections by them"},
	{"location upstream proxy_pass", "", "routing by path is done by a web server in front; by name the gate routes, see hosts; an app may listen on its own address too: write sockets { http { listen = \"127.0.0.1:8000\" } }"},
	{"ssl_certificate certfile ssl_cert certificate cert_file https", "sockets.http.tls.cert", ""},
	{"ssl_certificate_key keyfile ssl_key private_key key_file", "sockets.http.tls.key", ""},
	{"accesslog access_log access_logfile", "log.access", "write: log { access = true }"},
	{"errorlog error_log logto logfile log_file daemonize stdout_logfile stderr_logfile redirect_stderr standardoutput standarderror logging", "log.target",
		"the log is logs/wsgid.log of the app folder; or write: log { target = \"journal\" }"},
	{"log_maxsize stdout_logfile_maxbytes stderr_logfile_maxbytes", "log.max_size", ""},
	{"stdout_logfile_backups stderr_logfile_backups log_backupcount", "log.keep", ""},
	{"loglevel log_level disable_logging", "", "leave it out: what the app logs is its own; requests are logged by: log { access = true }"},
	{"pidfile pid pid_file safe_pidfile", "", "leave it out: pid files are in pid/ of the app folder"},
	{"master vacuum die_on_term need_app enable_threads single_interpreter strict no_orphans thunder_lock auto_procname procname proc_name post_buffering", "", "leave it out: it is not needed here"},
	{"py_autoreload touch_reload autoreload reload watch", "", "leave it out: after a change of code run: wsgid-fleet reload APP"},
	{"plugin plugins protocol", "", "leave it out: HTTP and mongrel2 are built in; plugin loaders are in plugins/ of the app folder"},
	{"healthcheck health_check health_path livenessprobe readinessprobe startupprobe httpget", "health", "write: health { path = \"/healthz\" }"},
	{"mem memory mem_limit memory_limit memorymax memorylimit", "limits.memory", ""},
	{"cpus cpuquota cpu_limit", "limits.cpu", ""},
	{"pids_limit tasksmax", "limits.tasks", ""},
	{"limitnofile nofile ulimits ulimit minfds max_fd", "limits.open_files", ""},
	{"limitnproc minprocs", "limits.processes", ""},
	{"limit_as limitas", "limits.address_space", ""},
	{"resources requests", "limits", "write: limits { memory = \"1GiB\" }"},
	{"client_max_body_size limit_post limit_request_body max_request_body_size", "request.max_body", ""},
	{"limit_request_line", "request.max_line", ""},
	{"limit_request_fields", "request.max_headers", ""},
	{"limit_request_field_size buffer_size large_client_header_buffers client_header_buffer_size", "request.max_head", "of all headers together"},
	{"keepalive keepalive_timeout http_keepalive so_keepalive", "request.keep_alive_timeout", ""},
	{"client_header_timeout http_timeout", "request.header_timeout", ""},
	{"client_body_timeout socket_timeout", "request.body_timeout", ""},
	{"manage_script_name mount_point root_path url_prefix base_path scriptname path_prefix", "script_name", ""},
	{"forwarded_allow_ips proxy_allow_ips set_real_ip_from", "request.trusted_proxies", ""},
	{"settings django_settings django_settings_module", "django.settings", ""},
	{"chmod_socket socket_mode", "sockets.http.mode", "of a unix socket"},
	{"chown_socket socket_owner socket_user", "sockets.http.owner", "of a unix socket"},
	{"name service_name", "", "an app's name follows the word app: app \"NAME\" { … }"},
	{"server services service apps program_name spec template", "", "each app is a block: app \"NAME\" { … }"},
}

// PeerNames are the names of other programs that are known, each with the path of what it
// is called here; empty: it is called nothing.
func PeerNames() iter.Seq2[string, string] {
	return func(yield func(name, home string) bool) {
		for _, w := range peerWords {
			for name := range strings.FieldsSeq(w.names) {
				if !yield(name, w.home) {
					return
				}
			}
		}
	}
}

// StaticAdvice is how files are served that belong to no app.
const StaticAdvice = "files are served without the app by a block: write:\nstatic {\n  url = \"/static/\"\n  dir = \"app/static\"\n}"

// staticHint is what a static block calls the names of others; empty: it does not.
func staticHint(name, value, block string) string {
	t := appspec.Table()
	if block == StaticBlock {
		switch name {
		case "root", "path", "folder", "directory", "alias", "static_root", "document_root":
			return "here this is dir: write: dir = " + peerValue(t.Attribute["static.dir"], value)
		case "prefix", "location", "mount", "static_url":
			return "here this is url: write: url = " + peerValue(t.Attribute["static.url"], value)
		case "expires", "cache", "cache_control", "ttl":
			return "here this is max_age: write: " + t.Attribute["static.max_age"].Written()
		}
		return ""
	}
	url, dir, ok := strings.Cut(strings.Trim(value, `"`), "=")
	if !strings.HasPrefix(name, "static_map") || !ok || !strings.HasPrefix(url, "/") || dir == "" || strings.ContainsAny(value, "${}\\\n") {
		if w := peerOf()[name]; w != nil && w.home == "static.dir" {
			return w.say
		}
		return ""
	}
	url = strings.TrimSuffix(url, "/") + "/"
	return "files are served without the app by a block: write:\nstatic {\n  url = " + appspec.Quote(url) + "\n  dir = " + appspec.Quote(dir) + "\n}"
}

// peerOf finds the words of another program's name.
var peerOf = sync.OnceValue(func() map[string]*peerWord {
	m := map[string]*peerWord{}
	for i := range peerWords {
		for name := range strings.FieldsSeq(peerWords[i].names) {
			m[name] = &peerWords[i]
		}
	}
	return m
})

// PeerHint says what to write instead of a name of another program; empty where
// the name is none. block is where it was found, value what was written.
func PeerHint(name, value, block string) string {
	name = strings.ToLower(strings.ReplaceAll(name, "-", "_"))
	if name == EnvironmentBlock { // as all of them call their variables; here it is a block of the app
		name = "environ"
	}
	if own := deployHint(name, value, block); own != "" {
		return own
	}
	if own := staticHint(name, value, block); own != "" {
		return own
	}
	if block == "gate" && name == "https" {
		return "a listener with TLS is a block http with tls: write:\nhttp {\n  listen = \"0.0.0.0:443\"\n  tls { … }\n}"
	}
	w := peerOf()[name]
	if w == nil {
		return ""
	}
	if w.home == "" || strings.Contains(w.say, "write: ") {
		return w.say
	}
	a := appspec.Table().Attribute[w.home]
	if a == nil {
		return w.say
	}
	text := a.Name() + " = " + peerValue(a, value)
	say := a.Name()
	if w.say != "" {
		say += " (" + w.say + ")"
	}
	if a.Block() == block {
		return "here this is " + say + ": write: " + text
	}
	home := a.Block()
	switch {
	case home == "" && block == TopOfFile:
		home = `app "NAME"`
	case home == "":
		return "here this is " + say + " of the app itself: write: " + text
	case block == TopOfFile:
		home = `app "NAME".` + home
	}
	if inner, ok := strings.CutPrefix(home, block+"."); ok && block != "" {
		home = inner
	}
	return "here this is " + say + ": write:\n" + Nest(home, text)
}

var (
	moduleAttr = regexp.MustCompile(`^[A-Za-z_][\w.]*:[A-Za-z_]\w*(\(\))?$`)
	plainText  = regexp.MustCompile(`^("[^"$%\\]*"|[\w.:/-]+)$`)
)

// peerValue is a value of another program as our attribute takes it; its example
// where that cannot be told.
func peerValue(a *appspec.Attribute, value string) string {
	if ours := takenOver(a, value); ours != "" {
		return ours
	}
	_, example, _ := strings.Cut(a.Written(), " = ")
	return example
}

// takenOver is a value of another program as our attribute takes it; empty: it cannot be told.
func takenOver(a *appspec.Attribute, value string) string {
	text := strings.Trim(value, `"`)
	switch {
	case a.Path == "wsgi_app":
		return peerApplication(text)
	case !plainText.MatchString(value):
		return ""
	case a.Path == "sockets.http.listen":
		return peerAddress(a, text)
	case a.Path == "deploy.repository":
		text = peerRepository(text)
	}
	return peerText(a, text)
}

// peerApplication finds the application in a command, or in the name of a file or a module.
func peerApplication(text string) string {
	for word := range strings.FieldsSeq(text) {
		if moduleAttr.MatchString(word) {
			return appspec.Quote(word)
		}
	}
	if strings.HasSuffix(text, ".py") {
		return appspec.Quote(strings.TrimSuffix(path.Base(text), ".py") + ":application")
	}
	if dotted := strings.Trim(text, "."); checkDotted(dotted) {
		return appspec.Quote(dotted + ":application")
	}
	return ""
}

// peerAddress is where another program listens.
func peerAddress(a *appspec.Attribute, text string) string {
	switch {
	case text == "80" || text == "443":
		return appspec.Quote("0.0.0.0:" + text) // for everybody, who else would take these
	case isNumber(text):
		return appspec.Quote("127.0.0.1:" + text)
	case strings.HasPrefix(text, "/"):
		return appspec.Quote("unix:" + text)
	}
	text = strings.TrimPrefix(strings.TrimPrefix(text, "http://"), "tcp://")
	if instead, ok := a.Check(text); !ok || text == "" || instead != "" {
		return ""
	}
	return appspec.Quote(text)
}

// peerRepository is the URL of a repository by a transport that is taken here.
func peerRepository(text string) string {
	for _, scheme := range []string{"git://", "http://", "git+https://"} {
		if rest, ok := strings.CutPrefix(text, scheme); ok {
			text = "https://" + rest
		}
	}
	if strings.HasPrefix(text, "/") {
		text = "file://" + text
	}
	return text
}

// peerText is a text as an attribute of a type takes it; empty: it does not.
func peerText(a *appspec.Attribute, text string) string {
	written, good, number := appspec.Quote(text), false, isNumber(text)
	switch a.Type {
	case appspec.TypeDuration:
		if number {
			return appspec.Quote(text + "s")
		}
		_, err := time.ParseDuration(text)
		good = err == nil
	case appspec.TypeInt, appspec.TypeFloat:
		written, good = text, number
	case appspec.TypeBool:
		written, good = text, text == "true" || text == "false"
	case appspec.TypeSize:
		_, err := appspec.ParseSize(text)
		good = err == nil && !number // a plain number may be of MB there
	case appspec.TypeList:
		written, good = "["+written+"]", text != "" && !strings.Contains(text, "*")
	case appspec.TypeString:
		_, taken := a.Check(text)
		good = text != "" && len(a.OneOf) == 0 && (taken || a.Block() != DeployBlock)
	case appspec.TypeMode, appspec.TypeMap, appspec.TypeObject: // nothing of theirs is one of ours
	}
	if !good {
		return ""
	}
	return written
}

func isNumber(text string) bool {
	_, err := strconv.ParseFloat(text, 64)
	return err == nil
}

// checkDotted tells whether a text is a module's name.
func checkDotted(s string) bool { _, ok := appspec.CheckModule(s); return ok && s != "" }
