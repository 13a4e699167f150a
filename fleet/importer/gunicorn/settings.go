package gunicorn

import "strings"

// flags are gunicorn's options, of all releases from 20.1 to 26.1: those with an argument,
// and switches (with !).
var flags = func() map[string]string {
	m := map[string]string{}
	for flag := range strings.FieldsSeq(`-c=config --config=config -b=bind --bind=bind --backlog=backlog -w=workers --workers=workers -k=worker_class
		--worker-class=worker_class --threads=threads --worker-connections=worker_connections --max-requests=max_requests
		--max-requests-jitter=max_requests_jitter -t=timeout --timeout=timeout --graceful-timeout=graceful_timeout --keep-alive=keepalive
		--limit-request-line=limit_request_line --limit-request-fields=limit_request_fields --limit-request-field_size=limit_request_field_size
		--reload=!reload --reload-engine=reload_engine --reload-extra-file=reload_extra_files --spew=!spew --check-config=!check_config
		--print-config=!print_config --preload=!preload_app --no-sendfile=!no_sendfile --reuse-port=!reuse_port --chdir=chdir -D=!daemon --daemon=!daemon
		-e=raw_env --env=raw_env -p=pidfile --pid=pidfile --worker-tmp-dir=worker_tmp_dir -u=user --user=user -g=group --group=group -m=umask --umask=umask
		--initgroups=!initgroups --forwarded-allow-ips=forwarded_allow_ips --access-logfile=accesslog --disable-redirect-access-to-syslog=!x
		--access-logformat=access_log_format --error-logfile=errorlog --log-file=errorlog --log-level=loglevel --capture-output=!capture_output
		--logger-class=logger_class --log-config=logconfig --log-syslog-to=syslog_addr --log-syslog=!syslog --log-syslog-prefix=syslog_prefix
		--log-syslog-facility=syslog_facility -R=!enable_stdio_inheritance --enable-stdio-inheritance=!enable_stdio_inheritance --statsd-host=statsd_host
		--dogstatsd-tags=dogstatsd_tags --statsd-prefix=statsd_prefix -n=proc_name --name=proc_name --pythonpath=pythonpath --paste=paste
		--paster=paste --proxy-protocol=!proxy_protocol --proxy-allow-from=proxy_allow_ips --keyfile=keyfile --certfile=certfile --ssl-version=ssl_version
		--cert-reqs=cert_reqs --ca-certs=ca_certs --suppress-ragged-eofs=!x --do-handshake-on-connect=!x --ciphers=ciphers
		--paste-global=raw_paste_global_conf --strip-header-spaces=!strip_header_spaces
		--permit-obsolete-folding=!permit_obsolete_folding --permit-unconventional-http-method=!permit_unconventional_http_method
		--permit-unconventional-http-version=!permit_unconventional_http_version --casefold-http-method=!casefold_http_method
		--forwarder-headers=forwarder_headers --header-map=header_map --tolerate-dangerous-framing=!tolerate_dangerous_framing
		--log-config-json=logconfig_json --enable-backlog-metric=!enable_backlog_metric --protocol=protocol --uwsgi-allow-from=uwsgi_allow_ips
		--http-protocols=http_protocols --http2-cleartext=http2_cleartext --http2-max-concurrent-streams=http2_max_concurrent_streams
		--http2-initial-window-size=http2_initial_window_size --http2-max-frame-size=http2_max_frame_size
		--http2-max-header-list-size=http2_max_header_list_size --asgi-loop=asgi_loop --asgi-lifespan=asgi_lifespan
		--asgi-disconnect-grace-period=asgi_disconnect_grace_period --http-parser=http_parser --root-path=root_path --dirty-app=dirty_apps
		--dirty-workers=dirty_workers --dirty-timeout=dirty_timeout --dirty-threads=dirty_threads --dirty-graceful-timeout=dirty_graceful_timeout
		--control-socket=control_socket --control-socket-mode=control_socket_mode --no-control-socket=!control_socket_disable`) {
		name, setting, _ := strings.Cut(flag, "=")
		m[name] = setting
	}
	return m
}()

// proxyProtocol was a switch until gunicorn 25, and may have a value from then on.
const proxyProtocol = "!proxy_protocol"

var proxyVersions = []string{"off", "v1", "v2", "auto"}

// quiet are settings that need nothing here: what they say is done here too, or is about
// gunicorn's own processes alone.
var quiet = strings.Fields(`backlog reload_engine spew check_config print_config no_sendfile sendfile reuse_port daemon worker_tmp_dir initgroups
	disable_redirect_access_to_syslog loglevel capture_output enable_stdio_inheritance proc_name default_proc_name max_requests_jitter x config
	suppress_ragged_eofs do_handshake_on_connect tmp_upload_dir worker_connections uwsgi_allow_ips http_parser asgi_loop asgi_lifespan
	asgi_disconnect_grace_period control_socket_mode control_socket_disable dirty_workers dirty_timeout dirty_threads dirty_graceful_timeout
	dirty_post_fork dirty_worker_init dirty_worker_exit on_dirty_starting http_protocols http2_max_concurrent_streams http2_initial_window_size
	http2_max_frame_size http2_max_header_list_size`)

// told are settings that are no loss, with what is instead of them.
var told = map[string]string{
	"access_log_format":     "log.access writes lines of a form of its own, or JSON by log.format",
	"pidfile":               "no such file is written: wsgid-fleet status APP tells the process, and reload, restart and stop are in place of signals",
	"control_socket":        "wsgid-fleet status, reload and scale are in place of it",
	"enable_backlog_metric": "numbers come by the daemon's metrics",
}

const (
	strictHead  = "a request that is not as HTTP/1.1 has it is refused with 400"
	headersRule = "which headers of a proxy count is said by request.trusted_headers; a header with _ in its name does not reach the app"
)

// lostWhy are settings that are not carried over, with what to do instead.
var lostWhy = map[string]string{
	"reload": "after a change of code run: wsgid-fleet reload APP", "reload_extra_files": "after a change of code run: wsgid-fleet reload APP",
	"statsd_host": "numbers come by the daemon's metrics", "proxy_protocol": "write proxy_protocol into the block gate",
	"logconfig": "configure logging in the application", "logconfig_dict": "configure logging in the application", "logconfig_json": "configure logging in the application",
	"logger_class": "configure logging in the application",
	"syslog":       "write log { target = \"journal\" }", "syslog_addr": "write log { target = \"journal\" }",
	"raw_paste_global_conf": "an app is told no variables: write it into the file of PasteDeploy, below [DEFAULT]",
	"ssl_version":           "TLS is chosen by the fleet", "ciphers": "TLS is chosen by the fleet", "ssl_context": "TLS is chosen by the fleet",
	"cert_reqs": "certificates of clients are a web server's in front", "ca_certs": "certificates of clients are a web server's in front",
	"strip_header_spaces": strictHead, "permit_obsolete_folding": strictHead, "permit_unconventional_http_method": strictHead,
	"permit_unconventional_http_version": strictHead, "casefold_http_method": "the app is told a method in the letters that the client sent", "tolerate_dangerous_framing": strictHead,
	"forwarder_headers": headersRule, "header_map": headersRule,
	"protocol":        "the fleet speaks HTTP and mongrel2: write a socket into the block sockets, and in nginx proxy_pass in place of uwsgi_pass",
	"http2_cleartext": "HTTP/2 is spoken by TLS alone",
	"root_path":       "write script_name, where the proxy in front takes the prefix off", "dirty_apps": "no application is kept in processes of its own: write a block process for what runs beside the app",
}

// known are the names that a configuration file may set.
var known = func() map[string]bool {
	m := map[string]bool{}
	for _, name := range flags {
		m[strings.TrimPrefix(name, "!")] = true
	}
	for name := range strings.FieldsSeq(`wsgi_app logconfig_dict secure_scheme_headers sendfile default_proc_name on_starting on_reload when_ready pre_fork post_fork
		post_worker_init worker_int worker_abort pre_exec pre_request post_request child_exit worker_exit nworkers_changed on_exit ssl_context
		on_dirty_starting dirty_post_fork dirty_worker_init dirty_worker_exit`) {
		m[name] = true
	}
	return m
}()
