package kamal

import (
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// proxy is what kamal-proxy did: the gate, and the app itself, do it here.
func (r *reader) proxy() {
	own := r.web.get("proxy")
	p := r.root.get("proxy")
	if own.is("false") {
		r.app.Note(own.at, "servers."+r.primary+".proxy: false", "nothing brought requests to it but who knew the address of its container")
		return
	}
	if own != nil && len(own.keys) > 0 {
		p = merge(p, own)
	}
	at := p.position()
	r.names(p, at)
	r.health(p.get("healthcheck"))
	r.times(p.get("response_timeout"))
	r.buffering(p.get("buffering"))
	for _, key := range keysBut(p) {
		n := p.members[key]
		switch key {
		case "host", "hosts", "ssl", "ssl_redirect", "healthcheck", "response_timeout", "buffering", "app_port", "strip_path_prefix":
		case "forward_headers":
			if n.is("true") {
				r.app.Lost(n.at, "proxy.forward_headers: true", "what a proxy in front says of the client is believed where request.trusted_proxies names its network: write it")
			}
		case "path_prefix", "path_prefixes":
			r.prefix(p, n)
		case "logging":
			r.app.Add(facts.Fact{Set: "log.access", Value: "true", Was: "proxy.logging", At: n.at})
		case "run":
			r.run(n)
		default:
			r.app.Lost(n.at, "proxy."+key, "no counterpart of it is known here")
		}
	}
}

// names are the hosts by which requests came, with the gate that brings them.
func (r *reader) names(p *node, at facts.Position) {
	var names []string
	for _, text := range append(p.get("hosts").texts(), strings.Split(p.get("host").value(), ",")...) {
		if text = strings.TrimSpace(text); text != "" {
			names = append(names, text)
		}
	}
	plain, secure := r.ports(p.get("run"))
	if len(names) == 0 {
		r.app.Add(facts.Fact{Set: facts.SetListen, Value: plain, Was: "kamal-proxy's port", At: at,
			Key: "kamal-proxy brought all requests here that no other app of the host has a name for: where there are such apps write default = \"" + r.app.Name + "\" into the gate in place of this socket"})
		return
	}
	r.app.Add(facts.Fact{Set: "hosts", List: names, Was: "proxy.host: " + strings.Join(names, ", "), At: hostsAt(p)})
	ssl := p.get("ssl")
	redirect := ""
	if ssl != nil && !ssl.is("false") && !p.get("ssl_redirect").is("false") {
		redirect = "https"
	}
	r.app.Add(facts.Fact{Set: facts.SetGate, Value: plain, Key: redirect})
	r.app.Note(at, "proxy", "kamal-proxy brought requests by these names: the gate does so here, by the block at the end of this, which belongs into a file of its own. kamal-proxy has to leave its ports first, for all apps: kamal proxy remove")
	r.app.Note(at, "proxy", "kamal-proxy told the client in X-Forwarded-For and the scheme in X-Forwarded-Proto; a gate hands on the connection, so that REMOTE_ADDR and wsgi.url_scheme are the client's, and such headers whatever a client says: let the app look at no such header (Django: take SECURE_PROXY_SSL_HEADER out)")
	switch {
	case ssl == nil || ssl.is("false"):
	case len(ssl.keys) > 0:
		r.app.Add(facts.Fact{Set: facts.SetGate, Value: secure, Key: "tls"})
		cert, key := ssl.get("certificate_pem").value(), ssl.get("private_key_pem").value()
		r.app.Lost(ssl.at, "proxy.ssl: "+cert+", "+key, "its certificate is among the secrets: put both into files, and name them in tls { cert = \"/…\", key = \"/…\" }")
	default:
		r.app.Add(facts.Fact{Set: facts.SetGate, Value: secure, Key: "acme"})
		r.app.Note(ssl.at, "proxy.ssl: true", "the daemon gets and renews certificates of Let's Encrypt by acme in the gate's tls: write your address into email, by which you agree to its terms")
	}
}

// hostsAt is where the names stand.
func hostsAt(p *node) facts.Position {
	if n := p.get("host"); n != nil {
		return n.at
	}
	return p.get("hosts").position()
}

// ports are the addresses of kamal-proxy.
func (r *reader) ports(run *node) (plain, secure string) {
	host := "*"
	if ips := run.get("bind_ips").texts(); len(ips) > 0 {
		host = ips[0]
	}
	return host + ":" + facts.Either(run.get("http_port").value(), "80"), host + ":" + facts.Either(run.get("https_port").value(), "443")
}

// run is how the proxy itself was started.
func (r *reader) run(n *node) {
	for _, key := range keysBut(n, "http_port", "https_port", "registry", "repository", "version", "log_max_size", "debug", "options", "bind_ips") {
		one := n.members[key]
		switch key {
		case "metrics_port":
			r.app.Lost(one.at, "proxy.run.metrics_port: "+one.value(), "the daemon has the numbers: run it with --metrics, or see wsgid-fleet status -o json")
		case "publish":
			if one.is("false") {
				r.app.Note(one.at, "proxy.run.publish: false", "something in front asked kamal-proxy: let it ask the gate")
			}
		default:
			r.app.Lost(one.at, "proxy.run."+key, "no counterpart of it is known here")
		}
	}
	if ips := n.get("bind_ips").texts(); len(ips) > 1 {
		r.app.Lost(n.get("bind_ips").at, "proxy.run.bind_ips: "+strings.Join(ips, ", "), "the first one is in the gate: write a listener for each of the others")
	}
}

// health is the question by which kamal-proxy finds an app ready.
func (r *reader) health(n *node) {
	f := facts.Fact{Set: "health.path", Value: "/up", Was: "kamal-proxy's default", At: facts.Position{File: "kamal"}}
	if path := n.get("path"); path != nil {
		f.Value, f.Was, f.At = path.value(), "proxy.healthcheck.path: "+path.value(), path.at
	}
	r.app.Add(f)
	if timeout := n.get("timeout"); timeout != nil {
		seconds := timeout.value() + "s"
		r.app.Add(facts.Fact{Set: "health.timeout", Value: seconds, Was: "proxy.healthcheck.timeout: " + timeout.value(), At: timeout.at})
		if d, err := time.ParseDuration(seconds); err == nil && d > 10*time.Second {
			r.app.Add(facts.Fact{Set: "health.interval", Value: seconds, Was: "no shorter than its timeout", At: timeout.at})
		}
	}
	r.app.Note(f.At, "healthcheck", "kamal-proxy asked until the app was ready; here it is asked on, every 10s where health.interval says nothing else, and a worker that does not answer is replaced")
}

// times are how long a request may take, and a start and an end.
func (r *reader) times(response *node) {
	f := facts.Fact{Set: "workers.request_timeout", Value: "30s", Was: "kamal-proxy's default", At: facts.Position{File: "kamal"}}
	if response != nil {
		f.Value, f.Was, f.At = response.value()+"s", "proxy.response_timeout: "+response.value(), response.at
	}
	shorter := false
	for _, have := range r.app.Facts {
		if have.Set == f.Set {
			server, err := time.ParseDuration(have.Value)
			ours, err2 := time.ParseDuration(f.Value)
			shorter = err == nil && err2 == nil && server < ours
		}
	}
	if !shorter {
		r.app.Add(f)
	}
	for _, one := range []struct{ key, set string }{{"deploy_timeout", "workers.start_timeout"}, {"drain_timeout", "workers.stop_timeout"}} {
		if n := r.root.get(one.key); n != nil {
			r.app.Add(facts.Fact{Set: one.set, Value: n.value() + "s", Was: one.key + ": " + n.value(), At: n.at})
		}
	}
}

// buffering is what of a request waits in the proxy.
func (r *reader) buffering(n *node) {
	f := facts.Fact{Set: "request.max_body", Value: "1GiB", Was: "kamal-proxy's default", At: facts.Position{File: "kamal"}}
	if requests := n.get("requests"); requests.is("false") {
		r.app.Add(facts.Fact{Set: "request.buffering", Value: "false", Was: "proxy.buffering.requests: false", At: requests.at})
		f.Was = "kamal-proxy had no limit without buffering; here there is one"
	}
	if limit := n.get("max_request_body"); limit != nil {
		f.Value, f.Was, f.At = strings.ReplaceAll(limit.value(), "_", ""), "proxy.buffering.max_request_body: "+limit.value(), limit.at
		if bytes, err := strconv.Atoi(f.Value); err == nil && bytes == 0 { // no limit
			f.Value = "1PiB"
		}
	}
	r.app.Add(f)
	if limit := n.get("max_response_body"); limit != nil && !limit.is("0") {
		r.app.Lost(limit.at, "proxy.buffering.max_response_body: "+limit.value(), "answers may be of any size")
	}
}

// prefix is where an app was mounted.
func (r *reader) prefix(p, n *node) {
	prefixes := n.texts()
	if n.value() != "" {
		prefixes = strings.Split(n.value(), ",")
	}
	why := "a gate goes by names alone: give the app a name of its own, or let the app that has the name answer below its prefix"
	if !p.get("strip_path_prefix").is("false") {
		why += "; kamal-proxy cut the prefix off, as script_name does here"
		if len(prefixes) == 1 {
			r.app.Add(facts.Fact{Set: "script_name", Value: strings.TrimRight(prefixes[0], "/"), Was: "path_prefix: " + prefixes[0], At: n.at})
		}
	}
	r.app.Lost(n.at, "proxy.path_prefix: "+strings.Join(prefixes, ", "), why)
}

// volumes are folders of the host that the image saw by other names.
func (r *reader) volumes() {
	n := r.root.get("volumes")
	if n == nil {
		return
	}
	for _, item := range n.items {
		from, rest, ok := strings.Cut(item.text, ":")
		to, options, _ := strings.Cut(rest, ":")
		if !ok {
			r.app.Lost(item.at, "volumes: "+item.text, "the app has a folder of the host in its place: make one that is its user's")
			continue
		}
		what := "in Docker it is a volume, below /var/lib/docker/volumes/" + from + "/_data: move it into a folder of the app's user, and let the app use that in place of " + to
		if filepath.IsAbs(from) {
			what = "the app sees the host's own folders: let it use " + from + " in place of " + to + ", by a variable in env or a link, and give its user the rights"
		}
		if strings.Contains(options, "ro") {
			what += " (it was read-only)"
		}
		r.app.Lost(item.at, "volumes: "+item.text, what)
	}
}
