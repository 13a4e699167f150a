package unit

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// unitConf is a configuration of Unit on its way to apps.
type unitConf struct {
	file    string
	root    *unitNode
	targets map[string]*unitApp // by "applications/NAME" or "applications/NAME/TARGET"
	order   []*unitApp
}

// unitApp is an application, or one target of it.
type unitApp struct {
	app    *facts.App
	node   *unitNode // of the application
	target *unitNode // where its module stands: the same, or one of targets
	way    string
}

// unitVisit is an application that a listener leads to.
type unitVisit struct {
	app   *unitApp
	hosts []string
	other bool // by a condition besides the host
	at    facts.Position
	was   string
}

func (c *unitConf) position(n *unitNode) facts.Position {
	if n == nil {
		return facts.Position{File: c.file}
	}
	return facts.Position{File: c.file, Line: n.line}
}

func (c *unitConf) apps() ([]*facts.App, error) {
	var errs []error
	applications := c.root.at("applications")
	for _, name := range applications.keys() {
		node := applications.at(name)
		kind, version, _ := strings.Cut(node.at("type").text(), " ")
		if kind != "python" {
			errs = append(errs, fmt.Errorf("%s: application %s is of the type %s: only Python is run", c.position(node), name, kind))
			continue
		}
		targets := node.at("targets")
		if targets == nil {
			c.add(name, "applications/"+name, node, node, version)
		}
		for _, target := range targets.keys() {
			c.add(name+"-"+target, "applications/"+name+"/"+target, node, targets.at(target), version)
		}
	}
	if len(c.order) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("it holds no application"))
	}
	listeners := c.root.at("listeners")
	for _, address := range listeners.keys() {
		c.listener(address, listeners.at(address))
	}
	out := make([]*facts.App, len(c.order))
	for i, a := range c.order {
		c.common(a)
		out[i] = a.app
	}
	return out, errors.Join(errs...)
}

func (c *unitConf) add(name, way string, node, target *unitNode, version string) {
	a := &unitApp{app: &facts.App{Name: facts.AppNameOf(name), Source: c.file + ", application " + name + " (NGINX Unit)"}, node: node, target: target, way: way}
	c.targets[way] = a
	c.order = append(c.order, a)
	c.application(a)
	if strings.HasPrefix(version, "2") {
		a.app.Lost(c.position(node.at("type")), "type: python "+version, "only Python 3 is run")
	}
}

// listener follows what a listener passes to.
func (c *unitConf) listener(address string, n *unitNode) {
	at, was := c.position(n), "listeners: "+address
	var visits []unitVisit
	c.pass(n.at("pass").text(), unitVisit{at: at, was: was}, &visits, 0)
	if len(visits) == 0 {
		if len(c.order) > 0 {
			c.order[0].app.Lost(at, was+" pass: "+n.at("pass").text(), "it leads to no application of Python")
		}
		return
	}
	f := facts.Fact{Set: facts.SetListen, Value: address, Was: was, At: at}
	tls := ""
	if n.at("tls") != nil {
		tls = "tls"
	}
	alone := !slices.ContainsFunc(visits, func(v unitVisit) bool { return v.app != visits[0].app })
	for i, v := range visits {
		if i > 0 && slices.ContainsFunc(visits[:i], func(w unitVisit) bool { return w.app == v.app }) {
			continue
		}
		switch {
		case alone:
			v.app.app.Add(f)
			if (v.other || len(v.hosts) > 0) && !slices.ContainsFunc(visits, func(w unitVisit) bool { return !w.other && len(w.hosts) == 0 }) {
				v.app.app.Note(v.at, v.was, "Unit brought only what matches it to the app; all requests of the address reach it here")
			}
		default:
			if len(v.hosts) > 0 {
				v.app.app.Add(facts.Fact{Set: "hosts", List: v.hosts, Was: v.was, At: v.at})
			}
			v.app.app.Lost(v.at, v.was, "apps share "+address+": write the gate block at the end of this into a file of its own, which brings requests to an app by the names in its hosts and by nothing else")
			v.app.app.Add(facts.Fact{Set: facts.SetGate, Value: strings.Replace(address, "*:", "0.0.0.0:", 1), Key: tls})
		}
		c.listenerOptions(v.app.app, was, n)
	}
}

func (c *unitConf) listenerOptions(a *facts.App, was string, n *unitNode) {
	for _, key := range n.keys() {
		one := n.at(key)
		at := c.position(one)
		switch key {
		case "pass":
		case "backlog":
			a.Note(at, was+" backlog: "+one.text(), "connections wait as the kernel's net.core.somaxconn says")
		case "tls":
			a.Lost(at, was+" tls", "Unit keeps certificates in its own state: write tls { cert = …, key = … } into the http block")
		case "forwarded", "client_ip":
			c.forwarded(a, was+" "+key, one)
		default:
			a.Lost(at, was+" "+key, "no counterpart of it is known here")
		}
	}
}

// forwarded is whom a listener believes which headers.
func (c *unitConf) forwarded(a *facts.App, was string, n *unitNode) {
	at := c.position(n)
	var proxies, headers []string
	for _, source := range n.at("source").texts() {
		network, ok := networkOf(source)
		if !ok {
			a.Lost(at, was+" source: "+source, "request.trusted_proxies takes networks alone: write it as such, 10.0.0.0/8")
			continue
		}
		proxies = append(proxies, network)
	}
	if len(proxies) == 0 {
		a.Lost(at, was, "nobody is named whom it believes")
		return
	}
	for _, h := range []*unitNode{n.at("client_ip"), n.at("header"), n.at("protocol")} {
		if h != nil {
			headers = append(headers, strings.ToLower(h.text()))
		}
	}
	a.Add(facts.Fact{Set: "request.trusted_proxies", List: proxies, Was: was, At: at})
	a.Add(facts.Fact{Set: "request.trusted_headers", List: headers, Was: was, At: at})
	if n.at("recursive").text() != "true" {
		a.Note(at, was, "Unit took the last address of the header, as it has no recursive; here it is the last one that is not trusted itself")
	}
}

// networkOf is an address, or a network, as a network.
func networkOf(text string) (string, bool) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()).String(), true
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked().String(), err == nil
}

// pass follows a way to the applications at its end.
func (c *unitConf) pass(way string, from unitVisit, visits *[]unitVisit, depth int) {
	if depth > 20 {
		return
	}
	if a := c.targets[way]; a != nil {
		from.app = a
		*visits = append(*visits, from)
		return
	}
	name, ok := strings.CutPrefix(way, "routes")
	if !ok {
		return
	}
	steps := c.root.at("routes")
	if name = strings.TrimPrefix(name, "/"); name != "" {
		steps = steps.at(name)
	}
	var statics []facts.Fact
	var lost []facts.Fact
	began := len(*visits)
	for i, step := range steps.list() {
		match, action := step.at("match"), step.at("action")
		v := from
		v.at, v.was = c.position(step), fmt.Sprintf("%s, step %d", way, i+1)
		for _, key := range match.keys() {
			if key == "host" && !strings.Contains(strings.Join(match.at("host").texts(), ""), "!") {
				v.hosts = match.at("host").texts()
			} else {
				v.other = true
			}
		}
		if i > 0 && action.at("share") != nil {
			lost = append(lost, facts.Fact{Set: facts.SetNote, Value: "what a step before it matched did not come to its files; here static blocks are looked at first", Was: v.was, At: v.at})
		}
		c.action(action, match, v, visits, &statics, &lost, depth)
		if match == nil {
			break // what comes behind is never reached, not even where a share has no such file
		}
	}
	for _, v := range (*visits)[began:] {
		v.app.app.Facts = append(v.app.app.Facts, statics...)
		v.app.app.Facts = append(v.app.app.Facts, lost...)
		statics, lost = nil, nil
	}
}

func (c *unitConf) action(action, match *unitNode, v unitVisit, visits *[]unitVisit, statics, lost *[]facts.Fact, depth int) {
	lose := func(what, why string) {
		*lost = append(*lost, facts.Fact{Set: facts.SetLost, Value: why, Was: v.was + " " + what, At: v.at})
	}
	for _, key := range action.keys() {
		one := action.at(key)
		switch key {
		case "pass":
			c.pass(one.text(), v, visits, depth+1)
		case "share":
			if before := len(*statics); c.share(one, match, v, statics, lose) > before {
				*lost = append(*lost, facts.Fact{Set: facts.SetNote, Value: shareDiffers(action), Was: v.was + " share", At: v.at})
			}
		case "fallback":
			v.other = v.other || match != nil
			c.action(one, match, v, visits, statics, lost, depth+1)
		case "return", "location":
			lose(key+": "+one.text(), facts.NoRewrites)
		case "proxy":
			lose(key, "the fleet is not a proxy: let a web server in front do it")
		case "rewrite":
			lose(key+": "+one.text(), facts.NoRewrites)
		case "response_headers":
			lose(key, facts.NoHeaders)
		case "index", "types", "chroot", "follow_symlinks", "traverse_mounts":
			lose(key, "static blocks have no such condition: they serve no index of a folder, and no link leads out of one")
		default:
			lose(key, "no counterpart of it is known here")
		}
	}
}

// shareDiffers tells what a static block does otherwise than a share.
func shareDiffers(action *unitNode) string {
	text := "Unit also served files whose names begin with a dot, a folder's " + facts.Either(action.at("index").text(), "index.html") +
		" for the folder, and what links led to outside of it; a static block leaves them to the app"
	if action.at("fallback") == nil {
		text += ", and so all that is no file: without a fallback Unit answered 404 then, 403 for a file that its types do not name, and 405 to other methods than GET and HEAD"
	} else {
		text += ", and answers 405 to other methods than GET and HEAD of its files: Unit gave them to the fallback"
	}
	return text
}

// share makes static blocks of a folder below which the whole path of the request is
// looked for. It returns how many there are then.
func (c *unitConf) share(share, match *unitNode, v unitVisit, statics *[]facts.Fact, lose func(what, why string)) int {
	folder, ok := strings.CutSuffix(share.list()[0].text(), "$uri")
	if !ok || strings.Contains(folder, "$") || len(share.list()) > 1 {
		lose("share: "+strings.Join(share.texts(), ", "), "static blocks serve one folder each, whose files are found by the path: write one with url and dir")
		return len(*statics)
	}
	urls := []string{"/*"}
	for _, key := range match.keys() {
		if key != "uri" {
			lose("match: "+key, "static blocks have no such condition")
		} else {
			urls = match.at("uri").texts()
		}
	}
	for _, url := range urls {
		prefix, ok := strings.CutSuffix(url, "*")
		if !ok || !strings.HasSuffix(prefix, "/") || strings.ContainsAny(prefix, "*~!") {
			lose("match: uri: "+url, "a static block has no pattern but a folder's whole name: write its url and dir")
			continue
		}
		*statics = append(*statics, facts.Fact{Set: facts.SetStatic, Key: prefix, Value: filepath.Join(folder, prefix), Was: v.was + " share: " + share.texts()[0], At: v.at})
	}
	return len(*statics)
}
