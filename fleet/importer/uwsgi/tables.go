package uwsgi

import (
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// otherNames are the other names of options.
var otherNames = func() map[string]string {
	m := map[string]string{}
	for name, others := range map[string]string{
		"processes": "workers", "wsgi-file": "file", "module": "wsgi", "home": "virtualenv venv pyhome",
		"pythonpath": "python-path pp", "chmod-socket": "chmod",
		"socket": "uwsgi-socket", "fastcgi-socket": "fastcgi-nph-socket", "scgi-socket": "scgi-nph-socket", "http-socket": "http11-socket",
		"protocol": "socket-protocol", "http": "http-to", "max-requests": "", "static-map2": "", "check-static": "", "cheaper": "",
		"attach-daemon": "attach-daemon2 smart-attach-daemon smart-attach-daemon2 legion-attach-daemon",
		"logto":         "logto2 daemonize daemonize2", "log-maxsize": "log-max-size", "cron": "cron2 unique-cron legion-cron",
		"reload-on-rss": "evil-reload-on-rss", "reload-mercy": "worker-reload-mercy", "env": "",
	} {
		for other := range strings.FieldsSeq(others) {
			m[other] = name
		}
	}
	return m
}()

// taken are options that are read by name.
var taken = facts.Words(`chdir chdir2 pythonpath home module wsgi-file paste ini-paste ini-paste-logged mount http-socket http https https-socket socket fastcgi-socket scgi-socket cheaper umask uid gid
	env unenv post-buffering wsgi-manage-chunked-input static-map static-map2 check-static check-static-docroot attach-daemon cron`)

// quiet are options that need nothing here.
var quiet = strings.Fields(`ini include inherit xml xmlconfig yaml yml json js config set set-placeholder set-ph end endfor endif end-if end-for
	plugin plugins need-plugin need-plugins plugin-dir plugins-dir autoload master master-as-root vacuum die-on-term need-app enable-threads single-interpreter
	strict lazy lazy-apps no-orphans thunder-lock auto-procname procname procname-prefix procname-prefix-spaced procname-append procname-master
	buffer-size post-buffering-bufsize listen so-keepalive so-send-timeout tcp-nodelay reuse-port harakiri-verbose memory-report
	close-on-exec close-on-exec2 show-config log-date log-format-strftime log-4xx log-5xx log-slow log-big log-zero log-sendfile log-ioerror log-prefix log-master log-reopen log-truncate
	logto max-requests-delta min-worker-lifetime manage-script-name disable-write-exception ignore-sigpipe ignore-write-errors
	py-call-osafterfork python-version http-auto-chunked http-chunked-input http-timeout idle http-raw-body no-defer-accept wsgi-env-behavior
	wsgi-env-behaviour wsgi-strict stats-no-cores stats-no-metrics emperor vassals-inherit vassals-include vassals-inherit-before
	vassals-include-before vassals-set vassal-set emperor-tyrant protocol callable http-socket-modifier1 http-modifier1 fastcgi-modifier1 scgi-modifier1
	exit-on-reload no-default-app single-threaded print iprint declare-option reload-os-env
	for for-glob for-times for-readline if-opt if-not-opt if-env ifenv if-not-env if-reload if-not-reload if-exists ifexists if-not-exists if-file if-not-file if-dir ifdir if-directory
	if-not-dir if-plugin ifplugin if-not-plugin if-hostname if-not-hostname disable-logging processes chmod-socket chown-socket`)

// asPlaceholders are options that have no counterpart here, and whose names people give to
// placeholders: words without a hyphen.
var asPlaceholders = facts.Words(`alarm binsh blacklist cflags clock connect dlopen exit extract flock flock2 freebind ftok get heartbeat help jailed ksm logdate mode
	multicast ns pause pivot prio rbtimer reaper refork reload resolve resume signal sni st stop subscribe suspend timer udp unshare2 usage version vhost weight whitelist`)

// numbers are options of one number that have an attribute here, with the unit
// behind the number.
var numbers = map[string][2]string{
	"harakiri": {"workers.request_timeout", "s"}, "max-requests": {"workers.max_requests", ""}, "threads": {"workers.threads", ""},
	"max-worker-lifetime": {"workers.max_age", "s"}, "reload-on-rss": {"workers.max_memory", "MiB"}, "limit-as": {"limits.address_space", "MiB"},
	"reload-mercy": {"workers.stop_timeout", "s"}, "max-fd": {"limits.open_files", ""}, "limit-nproc": {"limits.processes", ""},
	"limit-post": {"request.max_body", ""}, "socket-timeout": {"request.body_timeout", "s"}, "log-maxsize": {"log.max_size", ""},
}

// told are options that are no loss, with what is instead of them.
var told = map[string]string{
	"logger": logIsHere, "req-logger": logIsHere, "log-backupname": logIsHere,
	"threads-stacksize": ownStack, "threads-stack-size": ownStack,
	"cheap":       "workers are there before the first request comes; with workers { min = 0, idle_timeout = … } the first one starts them",
	"die-on-idle": "the address stays, and so does the app, of which workers.idle_timeout ends the workers",
	"pidfile":     noPIDFile, "pidfile2": noPIDFile, "safe-pidfile": noPIDFile, "safe-pidfile2": noPIDFile,
	"logfile-chown": logIsHere, "logfile-chmod": logIsHere,
	"log-format": formIsOwn, "logformat": formIsOwn,
	"cheaper-algo": workersFollow, "cheaper-initial": workersFollow, "cheaper-step": workersFollow, "cheaper-overload": workersFollow, "cheaper-idle": workersFollow,
}

const (
	formIsOwn     = "log.access writes lines of a form of its own, or JSON by log.format"
	noPIDFile     = "no such file is written: wsgid-fleet status APP tells the process, and reload, restart and stop are in place of signals"
	logIsHere     = "the log is logs/wsgid.log of the app folder, rotated by log.max_size and log.keep; log.target says where else it may go"
	ownStack      = "threads have the stack that Python gives them: threading.stack_size() in the app says another"
	workersFollow = "a worker is started as soon as a request waits, and those beyond workers.min end after workers.idle_timeout at rest"
)

// lost are options that are not carried over, with what to do instead.
var lost = []struct{ names, why string }{
	{"touch-reload touch-workers-reload touch-chain-reload touch-mules-reload fs-reload py-autoreload py-auto-reload python-autoreload python-auto-reload", "after a change of code run: wsgid-fleet reload APP"},
	{"spooler spooler-external spooler-processes mule mules farm queue cache cache2 sharedarea locks snmp legion subscribe-to subscribe2 metric rpc", "the module uwsgi is not there: use a queue of jobs such as celery or rq, or a cache such as redis"},
	{"gevent gevent-monkey-patch async asyncio ugreen greenlet tornado loop", "a worker is one process: write workers { threads = 8 } for more requests at a time"},
	{"hook-asap hook-pre-jail hook-post-jail hook-in-jail hook-as-root hook-as-user hook-pre-app hook-post-app hook-accepting hook-accepting1 hook-as-user-atexit hook-as-emperor hook-as-vassal exec-asap exec-pre-jail exec-post-jail exec-in-jail exec-as-root exec-as-user exec-as-user-atexit exec-pre-app exec-post-app hook-post-fork hook-touch", "nothing is run around an app: commands of a release are stages of a deploy"},
	{"route route-run route-uri route-host route-if route-label route-final final-route response-route error-route", "requests are not rewritten: do it in the app, or in a web server in front"},
	{"chroot", "write chroot = true, and put code and virtualenv into the app folder, which is / then"},
	{"stats stats-server", "numbers come by wsgid-fleet status -o json, and as metrics"},
	{"ssl-sessions-use-cache hsts add-header del-header rem-header collect-header response-header-limit", "headers of answers are the app's, or a web server's in front"},
	{"cap unshare cgroup namespace private-mnt pivot-root setns setns-socket", "limits of resources are the block limits; write chroot = true for a root of its own"},
	{"web3 pump wsgi-lite pecan python-raw eval", "an application is a module here: write a module that makes it, and name it in wsgi_app"},
	{"import pyimport py-import python-import shared-import shared-pyimport shared-python-import spooler-import", "import it in the module of the application"},
	{"static-index static-skip-ext static-gzip static-gzip-all static-gzip-dir static-gzip-ext", "static blocks serve .gz, .br and .zst files beside a file, and no index of a folder"},
	{"http-auto-gzip http-gzip", "answers are not compressed: a filter of the app, or a web server in front, does it"},
	{"mimefile mime-file", "a file of a static block has the type that its ending has everywhere: let the app answer for those that are to have another"},
	{"static-safe", "a static block serves the files below its dir: put those of another folder there, or write a block of its own"},
	{"static-expires static-expires-mtime static-expires-type static-expires-uri", "write max_age into the static block"},
	{"offload-threads cpu-affinity cpu-cores nice reload-on-as evil-reload-on-as cheaper-rss-limit-soft cheaper-rss-limit-hard vassal-sos vassal-sos-backlog", "there is nothing of that kind here"},
	{"paste-logger paste-config-logging log-encoder log-req-encoder log-route log-req-route", "configure logging in the application"},
	{"apparmor-profile apparmor selinux", "write it into the unit of wsgid-fleet, for all apps"},
	{"py-tracebacker profiler python-worker-override", "the stack of a worker that takes too long is in the log"},
	{"abstract-socket", "a unix socket is a file: have the web server in front name the file"},
	{"http-connect-timeout http-keepalive", "see request.header_timeout, body_timeout and keep_alive_timeout"},
	{"exec fork-server emperor-wrapper emperor-on-demand-extension emperor-stats vassals-start-hook vassals-stop-hook", "vassals are apps of the fleet; one of workers.min = 0 is started by its first request"},
	{"raw-socket puwsgi-socket suwsgi-socket ssl-socket http-socket-https shared-socket zerg zeromq mongrel2", "the fleet speaks HTTP and mongrel2: write a socket into the block sockets"},
	{"envdir early-envdir", "write the variables into env, secret ones as NAME = trimspace(file(\"/path\"))"},
	{"pyargv", "an application is given no arguments here: let it read its settings from a variable, which env sets"},
	{"remap-modifier modifier1 modifier2", "only Python is run"},
}

var lostWhy = func() map[string]string {
	m := map[string]string{}
	for _, l := range lost {
		for name := range strings.FieldsSeq(l.names) {
			m[name] = l.why
		}
	}
	return m
}()
