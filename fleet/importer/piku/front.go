package piku

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// named tells whether piku has nginx bring requests to the app by names.
func (r *reader) named() bool { return r.set["NGINX_SERVER_NAME"].value != "" }

// front is what piku has nginx do: the gate has the names, TLS and files here.
func (r *reader) front() {
	if !r.named() {
		for _, name := range facts.SortedKeys(r.set) {
			if strings.HasPrefix(name, "NGINX_") {
				r.app.Note(r.set[name].at, r.set.was(name), "piku makes something of it only where NGINX_SERVER_NAME is set")
			}
		}
		if l, ok := r.find("static"); ok {
			r.app.Note(l.at, l.was(), "piku makes something of it only where NGINX_SERVER_NAME is set")
		}
		return
	}
	names := r.set["NGINX_SERVER_NAME"]
	// The address was for nginx alone, and so were what it was asked by and whom the server believed.
	r.app.Facts = slices.DeleteFunc(r.app.Facts, func(f facts.Fact) bool {
		return f.Set == facts.SetListen || f.Set == "request.trusted_proxies" || f.Set == "request.trusted_headers"
	})
	hosts := strings.FieldsFunc(names.value, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' })
	if i := slices.Index(hosts, "_"); i >= 0 {
		hosts = slices.Delete(hosts, i, i+1)
		r.app.Lost(names.at, "NGINX_SERVER_NAME", "_ is no name, by which piku's nginx brought requests that no other app has: write default = \""+r.app.Name+"\" into the gate, and a name of its own into hosts")
	}
	if len(hosts) > 0 {
		r.app.Add(facts.Fact{Set: "hosts", List: hosts, Was: "NGINX_SERVER_NAME=" + names.value, At: names.at})
	}
	for i, f := range r.app.Facts {
		if f.Set == "workers.request_timeout" && f.Value == "24h" { // the server had none
			r.app.Facts[i] = facts.Fact{Set: f.Set, Value: "60s", Was: "nginx's read timeout", At: names.at}
		}
	}
	redirect := ""
	if r.set.yes("NGINX_HTTPS_ONLY") {
		redirect = "https"
	}
	for _, host := range r.addresses() {
		r.app.Add(facts.Fact{Set: facts.SetGate, Value: host + ":80", Key: redirect})
		r.app.Add(facts.Fact{Set: facts.SetGate, Value: host + ":443", Key: "tls"})
	}
	r.app.Note(names.at, "NGINX_SERVER_NAME", "piku's nginx brought requests by these names: the gate does so here, by the block at the end of this, which belongs into a file of its own. nginx has to leave its ports first, for all apps")
	r.app.Note(names.at, "NGINX_SERVER_NAME", "nginx told the client in X-Forwarded-For and the scheme in X-Forwarded-Proto; a gate hands on the connection, so that REMOTE_ADDR and wsgi.url_scheme are the client's, and such headers whatever a client says: let the app look at no such header (Django: take SECURE_PROXY_SSL_HEADER out)")
	r.app.Note(names.at, "NGINX_SERVER_NAME", "nginx compressed answers, took . and .. and double slashes out of the path, and refused bodies over 1 MiB; here the app, or its middleware, does what it needs of that, and request.max_body says the size")
	r.certificate(names.at)
	r.statics()
	for _, name := range facts.SortedKeys(r.set) {
		if why := notFront(name); why != "" && r.set[name].value != "" {
			r.app.Lost(r.set[name].at, r.set.was(name), why)
		}
	}
}

// addresses are those that nginx listens on.
func (r *reader) addresses() []string {
	four, six := facts.Either(r.set["NGINX_IPV4_ADDRESS"].value, "0.0.0.0"), facts.Either(r.set["NGINX_IPV6_ADDRESS"].value, "[::]")
	switch {
	case r.set.yes("DISABLE_IPV6"):
		return []string{four}
	case four == "0.0.0.0" && six == "[::]":
		return []string{"*"}
	}
	return []string{four, six}
}

// notFront says what to do about a setting of nginx that the gate has nothing for.
func notFront(name string) string {
	switch {
	case strings.HasPrefix(name, "NGINX_CACHE_"):
		return "answers are not kept: let the app do it, or a web server in front"
	case name == "NGINX_CLOUDFLARE_ACL":
		return "who may connect is a firewall's to say; write Cloudflare's networks into request.trusted_proxies and x-forwarded-for into request.trusted_headers, and REMOTE_ADDR is the client"
	case name == "NGINX_INCLUDE_FILE":
		return "nginx read directives of the app's own there: what they do is the app's, or a web server's in front"
	case name == "NGINX_CATCH_ALL":
		return "a static block serves files that are there, and the app is asked for all others: let it answer with that file"
	}
	return ""
}

// certificate is the one that nginx had for the app.
func (r *reader) certificate(at facts.Position) {
	cert, key := filepath.Join(r.root, "nginx", r.name+".crt"), filepath.Join(r.root, "nginx", r.name+".key")
	if r.root == "" || !facts.Exists(cert) {
		r.app.Lost(at, "certificate", "piku made one for nginx, which is not here: write tls { cert, key } into the app, or acme { email = … } into the tls of the gate, which gets one")
		return
	}
	r.app.Add(facts.Fact{Set: "tls.cert", Value: cert, Was: "piku's certificate for nginx", At: at})
	r.app.Add(facts.Fact{Set: "tls.key", Value: key, Was: "piku's certificate for nginx", At: at})
	r.app.Note(at, "certificate", "acme.sh renews it with the help of piku's nginx, and without acme.sh piku signed it itself: with acme { email = … } in the tls of the gate, and without tls here, the daemon gets one and renews it")
}

// statics are the files that nginx answered for.
func (r *reader) statics() {
	type mapping struct {
		url, folder, was string
		at               facts.Position
	}
	var all []mapping
	if l, ok := r.find("static"); ok {
		folder := strings.TrimPrefix(strings.Trim(l.command, "/"), ":")
		all = append(all, mapping{"/", facts.Either(folder, "."), l.was(), l.at})
	}
	if paths, ok := r.set["NGINX_STATIC_PATHS"]; ok {
		for item := range strings.SplitSeq(paths.value, ",") {
			url, folder, ok := strings.Cut(item, ":")
			if !ok || folder == "" || strings.Contains(folder, ":") {
				r.app.Lost(paths.at, r.set.was("NGINX_STATIC_PATHS"), "piku takes none of it, as "+facts.CommandText(item)+" is no /URL:FOLDER")
				return
			}
			all = append(all, mapping{url, folder, "NGINX_STATIC_PATHS: " + item, paths.at})
		}
	}
	for _, m := range all {
		if m.url == "/" {
			r.app.Lost(m.at, m.was, "nginx does not take it beside an application, as / has both, and piku took the whole configuration of the app away: write a static block with a url of its own")
			continue
		}
		if !strings.HasSuffix(m.url, "/") && filepath.Ext(m.url) == "" {
			m.was += "; nginx went by bytes, and took " + m.url + "x for its file x"
		}
		r.app.Add(facts.Fact{Set: facts.SetStatic, Key: m.url, Value: facts.Rel(r.dir, m.folder), Was: m.was, At: m.at})
	}
	if len(all) > 0 {
		r.app.Note(all[0].at, "", "of a file that is not there nginx tried NAME.html and the index.html of a folder, and answered 404; here the app is asked")
	}
}
