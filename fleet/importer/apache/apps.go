package apache

import (
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// app is one application that Apache runs, with the hosts that it answers for.
type app struct {
	app    *facts.App
	alias  directive
	url    string // "" at the top
	group  string // of processes; empty: Apache's own
	scopes []*virtualHost
	names  []string // ServerName and ServerAlias
	listen []address
}

// address is an address with the certificate and the key behind it.
type address struct {
	address string
	tls     []string
	was     string
	at      facts.Position
}

func (c *conf) apps(path string) ([]*facts.App, error) {
	var apps []*app
	server := c.aliases(nil)
	for _, host := range c.hosts {
		if own := c.aliases(host); len(own) > 0 {
			apps = c.scope(apps, host, append(own, server...))
		} else if len(server) > 0 {
			apps = c.scope(apps, host, server)
		}
	}
	if len(server) > 0 && len(c.hosts) == 0 {
		apps = c.scope(apps, nil, server)
	}
	if len(apps) == 0 {
		if made := c.setting("wsgihandlerscript", nil); made.name != "" {
			return nil, errors.New("mod_wsgi-express wrote it: import its command instead: wsgid-fleet import --from command 'mod_wsgi-express start-server …'")
		}
		if d := c.setting("wsgiscriptaliasmatch", nil); d.name != "" {
			return nil, errors.New(d.at.String() + ": " + d.was + ": a pattern names many applications: write a spec for each, with wsgi_app and script_name")
		}
		if len(c.hidden) > 0 {
			return nil, errors.New(c.hidden[0])
		}
		return nil, errors.New("no WSGIScriptAlias stands in it: Apache starts no WSGI application by it")
	}
	c.addresses(apps)
	out := make([]*facts.App, len(apps))
	for i, a := range apps {
		a.app.Source = path + " (Apache, mod_wsgi)"
		c.facts(a)
		out[i] = a.app
	}
	c.unused(apps)
	return out, nil
}

func (c *conf) aliases(host *virtualHost) []directive {
	var found []directive
	for _, d := range c.all {
		if d.name == "wsgiscriptalias" && d.host == host && len(d.args) > 1 {
			found = append(found, d)
		}
	}
	return found
}

// setting is the last directive of a name that counts in a host: its own, else the server's.
func (c *conf) setting(name string, host *virtualHost) directive {
	var found directive
	for _, d := range c.all {
		if d.name == name && len(d.within) == 0 && (d.host == nil && (found.host == nil) || d.host != nil && d.host == host) {
			found = d
		}
	}
	return found
}

func (d directive) arg(i int) string {
	if i < len(d.args) {
		return d.args[i]
	}
	return ""
}

// under tells whether a path is a url or below it, as mod_wsgi compares.
func under(path, url string) bool {
	url = strings.TrimRight(url, "/")
	return path == url || strings.HasPrefix(path, url+"/") || url == ""
}

// files is the Alias below which a WSGIScriptAlias stands, wherever it is written:
// Apache asks mod_alias first, and it takes what fits, not the longest (Apache 2.4.67
// with mod_wsgi 4.9.4).
func (c *conf) files(d directive, host *virtualHost) directive {
	for _, e := range c.all {
		if e.name == "alias" && len(e.args) > 1 && (e.host == nil || e.host == host) && under(d.args[0], e.args[0]) {
			return e
		}
	}
	return directive{}
}

func (c *conf) hides(d directive, host *virtualHost) string {
	e := c.files(d, host)
	return "it did nothing: " + e.was + " (" + e.at.String() + ") takes its requests: Apache looks for files before it asks mod_wsgi"
}

// scope finds the application of a host. mod_wsgi takes the first alias that fits.
func (c *conf) scope(apps []*app, host *virtualHost, aliases []directive) []*app {
	var alive, dead, hidden []directive
	for _, d := range aliases {
		if c.files(d, host).name != "" {
			hidden = append(hidden, d)
		} else if slices.ContainsFunc(alive, func(e directive) bool { return under(d.args[0], e.args[0]) }) {
			dead = append(dead, d)
		} else {
			alive = append(alive, d)
		}
	}
	if len(alive) == 0 {
		for _, d := range hidden {
			c.hidden = append(c.hidden, d.at.String()+": "+d.was+": "+c.hides(d, host))
		}
		return apps
	}
	main := alive[0]
	for _, d := range alive {
		if d.args[0] == "/" {
			main = d
		}
	}
	group, _ := c.group(main, host)
	name := c.setting("servername", host)
	var names []string
	if host != nil {
		names = serverNames(name, c.all, host)
	}
	for _, a := range apps { // the same application by another address
		if a.alias.args[0] == main.args[0] && a.alias.args[1] == main.args[1] && a.group == group {
			a.scopes = append(a.scopes, host)
			for _, n := range names {
				if !slices.Contains(a.names, n) {
					a.names = append(a.names, n)
				}
			}
			a.listen = append(a.listen, c.listen(host)...)
			return apps
		}
	}
	a := &app{app: &facts.App{}, alias: main, url: strings.TrimRight(main.args[0], "/"), group: group, scopes: []*virtualHost{host}, names: names, listen: c.listen(host)}
	for _, d := range dead {
		winner := alive[slices.IndexFunc(alive, func(e directive) bool { return under(d.args[0], e.args[0]) })]
		a.app.Lost(d.at, d.was, "it did nothing: "+winner.was+" ("+winner.at.String()+") stands before it and takes its requests, as mod_wsgi takes the first that fits, not the longest")
	}
	for _, d := range hidden {
		a.app.Lost(d.at, d.was, c.hides(d, host))
	}
	for _, d := range alive {
		if d.at != main.at {
			a.app.Lost(d.at, d.was, "an app has one application: make an app of its own for "+d.args[0])
		}
	}
	switch {
	case group != "":
		a.app.Name = facts.AppNameOf(group)
	case host != nil && len(names) > 0:
		a.app.Name = facts.AppNameOf(names[0])
	default:
		a.app.Name = facts.AppNameOf(strings.TrimSuffix(base(main.at), ".conf"))
	}
	return append(apps, a)
}

func base(p facts.Position) string {
	p.Line = 0
	return p.String()
}

// serverNames are the names of a host.
func serverNames(name directive, all []directive, host *virtualHost) []string {
	var names []string
	add := func(text string) {
		if _, rest, ok := strings.Cut(text, "://"); ok {
			text = rest
		}
		if h, _, err := net.SplitHostPort(text); err == nil {
			text = h
		}
		if text != "" && !slices.Contains(names, text) {
			names = append(names, text)
		}
	}
	add(name.arg(0))
	for _, d := range all {
		if d.name == "serveralias" && d.host == host {
			for _, one := range d.args {
				add(one)
			}
		}
	}
	return names
}

// group is the process group of an alias, and where it is said; empty: Apache's own
// processes.
func (c *conf) group(alias directive, host *virtualHost) (string, directive) {
	for _, arg := range alias.args[2:] {
		if name, ok := strings.CutPrefix(arg, "process-group="); ok {
			return embedded(name), alias
		}
	}
	found := c.setting("wsgiprocessgroup", host)
	best := -1
	for _, d := range c.all { // of the Location that fits best
		if d.name != "wsgiprocessgroup" || len(d.within) == 0 || d.host != nil && d.host != host {
			continue
		}
		inner := d.within[len(d.within)-1]
		words := splitWords(strings.Trim(inner, "<>"))
		if len(words) != 2 {
			continue
		}
		kind := strings.ToLower(words[0])
		if (kind == "location" && under(alias.args[0], words[1]) || kind == "directory" && under(alias.args[1], words[1])) && len(words[1]) > best {
			found, best = d, len(words[1])
			if kind == "location" {
				best += 1 << 20 // locations come last
			}
		}
	}
	return embedded(found.arg(0)), found
}

// embedded is empty for %{GLOBAL}.
func embedded(group string) string {
	if group == "%{GLOBAL}" {
		return ""
	}
	return group
}

// listen are the addresses of a host.
func (c *conf) listen(host *virtualHost) []address {
	var listens []directive
	for _, d := range c.all {
		if d.name == "listen" && d.arg(0) != "" {
			listens = append(listens, d)
		}
	}
	var out []address
	if host == nil {
		for _, d := range listens {
			out = append(out, address{address: withPort("*", d.arg(0)), was: d.was, at: d.at})
		}
		return out
	}
	tls := c.certificate(host)
	for _, text := range host.addresses {
		was := "<VirtualHost " + strings.Join(host.addresses, " ") + ">"
		name, port, err := net.SplitHostPort(text)
		if err != nil {
			name, port = strings.Trim(text, "[]"), ""
		}
		if name == "_default_" {
			name = "*"
		}
		if port != "" && port != "*" {
			out = append(out, address{net.JoinHostPort(name, port), tls, was, host.at})
			continue
		}
		for _, d := range listens {
			_, p, err := net.SplitHostPort(withPort("*", d.arg(0)))
			if err == nil {
				out = append(out, address{net.JoinHostPort(name, p), tls, was, host.at})
			}
		}
		if len(listens) == 0 {
			out = append(out, address{net.JoinHostPort(name, "80"), tls, was, host.at})
		}
	}
	return out
}

// withPort is an address of Listen, which may be a port alone.
func withPort(host, text string) string {
	if strings.Contains(text, ":") {
		return text
	}
	return net.JoinHostPort(host, text)
}

// addresses gives each app its own: an address of one app is its socket, one that
// several share is a gate's, which chooses by names as Apache did.
func (c *conf) addresses(apps []*app) {
	users := map[string]int{}
	for _, a := range apps {
		seen := map[string]bool{}
		for _, l := range a.listen {
			if !seen[l.address] {
				seen[l.address] = true
				users[l.address]++
			}
		}
	}
	for _, a := range apps {
		c.otherCertificates(a)
		shared := false
		for _, l := range a.listen {
			if users[l.address] < 2 {
				a.app.Add(facts.Fact{Set: facts.SetListen, Value: l.address, List: l.tls, Was: l.was, At: l.at})
				continue
			}
			if l.tls != nil {
				a.app.Add(facts.Fact{Set: "tls.cert", Value: l.tls[0], Was: "SSLCertificateFile", At: l.at})
				a.app.Add(facts.Fact{Set: "tls.key", Value: l.tls[1], Was: "SSLCertificateKeyFile", At: l.at})
			}
			a.app.Lost(l.at, l.was, "apps share "+l.address+" and Apache chose by name: write the gate block at the end of this into a file of its own; the first host of Apache's was the default one")
			gate := facts.Fact{Set: facts.SetGate, Value: l.address}
			if l.tls != nil {
				gate.Key = "tls"
			}
			a.app.Add(gate)
			if !shared && len(a.names) > 0 {
				a.app.Add(facts.Fact{Set: "hosts", List: a.names, Was: "ServerName", At: l.at})
			}
			shared = true
		}
		c.redirects(a, shared)
	}
}

// redirects tells of the hosts that did nothing but to send those who ask for an app on to
// HTTPS, which a gate does.
func (c *conf) redirects(a *app, shared bool) {
	for _, d := range c.all {
		if d.host == nil || slices.Contains(a.scopes, d.host) || !strings.HasPrefix(d.name, "redirect") && d.name != "rewriterule" ||
			!slices.ContainsFunc(d.args, func(arg string) bool { return strings.HasPrefix(arg, "https://") }) ||
			!slices.ContainsFunc(serverNames(c.setting("servername", d.host), c.all, d.host), func(name string) bool { return slices.Contains(a.names, name) }) {
			continue
		}
		if !shared {
			a.app.Lost(d.at, d.was, "a gate sends to HTTPS, by redirect = \"https\" in its listener, apps that have hosts and tls in place of an address of their own")
			continue
		}
		for _, l := range c.listen(d.host) {
			a.app.Add(facts.Fact{Set: facts.SetGate, Value: l.address, Key: "https"})
		}
	}
}
