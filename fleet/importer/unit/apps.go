package unit

import (
	"errors"
	"fmt"
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
	alone := !slices.ContainsFunc(visits, func(v unitVisit) bool { return v.app != visits[0].app })
	for i, v := range visits {
		if i > 0 && slices.ContainsFunc(visits[:i], func(w unitVisit) bool { return w.app == v.app }) {
			continue
		}
		switch {
		case alone:
			v.app.app.Add(f)
			if v.other && !slices.ContainsFunc(visits, func(w unitVisit) bool { return !w.other && len(w.hosts) == 0 }) {
				v.app.app.Note(v.at, v.was, "Unit brought only what matches it to the app; all requests of the address reach it here")
			}
		default:
			if len(v.hosts) > 0 {
				v.app.app.Add(facts.Fact{Set: "hosts", List: v.hosts, Was: v.was, At: v.at})
			}
			v.app.app.Lost(v.at, v.was, "apps share "+address+": write gate { http { listen = … } } into the directory once, which brings requests to an app by the names in its hosts and by nothing else")
		}
		c.listenerOptions(v.app.app, was, n)
	}
}

func (c *unitConf) listenerOptions(a *facts.App, was string, n *unitNode) {
	for _, key := range n.keys() {
		one := n.at(key)
		at := c.position(one)
		switch key {
		case "pass", "backlog":
		case "tls":
			a.Lost(at, was+" tls", "Unit keeps certificates in its own state: write tls { cert = …, key = … } into the http block")
		case "forwarded", "client_ip":
			a.Add(facts.Fact{Set: "request.trusted_proxies", List: one.at("source").texts(), Was: was + " " + key, At: at})
			headers := one.at("client_ip")
			if key == "client_ip" {
				headers = one.at("header")
			}
			var list []string
			for _, h := range []*unitNode{headers, one.at("protocol")} {
				if h != nil {
					list = append(list, strings.ToLower(h.text()))
				}
			}
			a.Add(facts.Fact{Set: "request.trusted_headers", List: list, Was: was + " " + key, At: at})
		default:
			a.Lost(at, was+" "+key, "no counterpart of it is known here")
		}
	}
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
		c.action(action, match, v, visits, &statics, &lost, depth)
		if match == nil && action.at("share") == nil {
			break // what comes behind is never reached
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
			c.share(one, match, v, statics, lose)
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

// share makes static blocks of a folder below which the whole path of the request is
// looked for.
func (c *unitConf) share(share, match *unitNode, v unitVisit, statics *[]facts.Fact, lose func(what, why string)) {
	folder, ok := strings.CutSuffix(share.list()[0].text(), "$uri")
	if !ok || strings.Contains(folder, "$") || len(share.list()) > 1 {
		lose("share: "+strings.Join(share.texts(), ", "), "static blocks serve one folder each, whose files are found by the path: write one with url and dir")
		return
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
		if !ok || strings.ContainsAny(prefix, "*~!") {
			lose("match: uri: "+url, "a static block has no pattern: write the folder's url and dir")
			continue
		}
		*statics = append(*statics, facts.Fact{Set: facts.SetStatic, Key: prefix, Value: filepath.Join(folder, prefix), Was: v.was + " share: " + share.texts()[0], At: v.at})
	}
}
