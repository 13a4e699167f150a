package unit

import (
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// application are the facts of an application and its target.
func (c *unitConf) application(a *unitApp) {
	set := func(attribute, key, value string, n *unitNode) {
		a.app.Add(facts.Fact{Set: attribute, Value: value, Was: key + ": " + value, At: c.position(n)})
	}
	if dir := a.node.at("working_directory"); dir != nil {
		set(facts.SetDirectory, "working_directory", dir.text(), dir)
	} else {
		a.app.Add(facts.Fact{Set: facts.SetDirectory, Value: "/", Was: "no working_directory, so it was Unit's own", At: c.position(a.node)})
	}
	for _, one := range a.node.at("path").list() {
		set(facts.SetSearchPath, "path", one.text(), a.node.at("path"))
	}
	protocol := a.target.at("protocol")
	if protocol == nil {
		protocol = a.node.at("protocol")
	}
	if module := a.target.at("module"); protocol.text() == "asgi" {
		a.app.Lost(c.position(protocol), "protocol: asgi", "only WSGI is run: wrap the application, for example with a2wsgi, in a module of its own")
	} else if module != nil {
		callable := facts.Either(a.target.at("callable").text(), "application")
		if a.target.at("factory").text() == "true" {
			callable += "()"
		}
		a.app.Add(facts.Fact{Set: facts.SetModule, Key: callable, Value: module.text(), Was: "module: " + module.text(), At: c.position(module)})
	}
	if prefix := a.target.at("prefix"); prefix != nil {
		set("script_name", "prefix", strings.TrimRight(prefix.text(), "/"), prefix)
		a.app.Note(c.position(prefix), "prefix: "+prefix.text(), "Unit gave the app paths that are not below it without SCRIPT_NAME; here all requests have it")
	}
	for _, key := range a.node.keys() {
		n := a.node.at(key)
		switch key {
		case "type", "targets", "module", "callable", "factory", "protocol", "prefix", "path", "working_directory":
		case "thread_stack_size":
			a.app.Note(c.position(n), key+": "+n.text(), "threads have the stack that Python gives them: threading.stack_size() in the app says another")
		case "loading_timeout":
			a.app.Note(c.position(n), key+": "+n.text(), "workers.start_timeout says it here, 30s where nothing does")
		case "home":
			set("virtualenv", key, n.text(), n)
		case "user":
			set("user", key, facts.UserName(n.text()), n)
		case "group":
			set("group", key, facts.GroupName(n.text()), n)
			a.app.Note(c.position(n), key+": "+n.text(), "the other groups of the workers are those of their user, as id says")
		case "threads":
			set("workers.threads", key, n.text(), n)
		case "processes":
			c.processes(a, n, set)
		case "limits":
			c.limits(a, n, set)
		case "environment":
			for _, name := range n.keys() {
				a.app.Add(facts.Fact{Set: facts.SetEnv, Key: name, Value: n.at(name).text(), Was: "environment: " + name, At: c.position(n.at(name))})
			}
		case "stdout", "stderr":
			a.app.Note(c.position(n), key+": "+n.text(), "the log is logs/wsgid.log of the app folder, rotated by log.max_size and log.keep")
		case "isolation":
			a.app.Lost(c.position(n), key, "write chroot = true for a root of its own, and the block limits for resources")
		default:
			a.app.Lost(c.position(n), key, "no counterpart of it is known here")
		}
	}
	if a.node.at("user") == nil {
		a.app.Note(c.position(a.node), "", "the user is Unit's own where none is named, with the supplementary groups of that user: write user, if the fleet's choice is not right, and make it a member of the groups that id says of Unit's")
	}
	if n := a.node.at("limits", "timeout"); n.text() == "" || n.text() == "0" {
		a.app.Add(facts.Fact{Set: "workers.request_timeout", Value: "24h", Was: "no limits.timeout, so no limit", At: c.position(a.node)})
	}
}

func (c *unitConf) processes(a *unitApp, n *unitNode, set func(attribute, key, value string, n *unitNode)) {
	if _, several := n.value.(*unitObject); !several {
		set("workers.count", "processes", n.text(), n)
		return
	}
	least, most := facts.Either(n.at("spare").text(), "0"), facts.Either(n.at("max").text(), "1")
	if i, err := strconv.Atoi(most); err == nil && i > 0 {
		set("workers.max", "processes.max", most, n)
		if j, err := strconv.Atoi(least); err == nil && j > i {
			least = most
		}
		set("workers.min", "processes.spare", least, n)
	}
	set("workers.idle_timeout", "processes.idle_timeout", facts.Either(n.at("idle_timeout").text(), "15")+"s", n)
	for _, key := range n.keys() {
		if key != "max" && key != "spare" && key != "idle_timeout" {
			a.app.Lost(c.position(n.at(key)), "processes: "+key, "no counterpart of it is known here")
		}
	}
}

func (c *unitConf) limits(a *unitApp, n *unitNode, set func(attribute, key, value string, n *unitNode)) {
	for _, key := range n.keys() {
		one := n.at(key)
		switch {
		case one.text() == "0":
		case key == "timeout":
			set("workers.request_timeout", "limits.timeout", one.text()+"s", one)
		case key == "requests":
			set("workers.max_requests", "limits.requests", one.text(), one)
		default:
			a.app.Lost(c.position(one), "limits: "+key, "no counterpart of it is known here")
		}
	}
}

// common are the settings of all applications.
func (c *unitConf) common(a *unitApp) {
	http := c.root.at("settings", "http")
	for _, key := range http.keys() {
		n := http.at(key)
		f := facts.Fact{Value: n.text(), Was: "settings.http." + key + ": " + n.text(), At: c.position(n)}
		switch key {
		case "max_body_size":
			f.Set = "request.max_body"
		case "header_read_timeout":
			f.Set, f.Value = "request.header_timeout", f.Value+"s"
		case "body_read_timeout":
			f.Set, f.Value = "request.body_timeout", f.Value+"s"
		case "idle_timeout":
			f.Set, f.Value = "request.keep_alive_timeout", f.Value+"s"
		case "send_timeout", "server_version", "log_route":
			continue
		case "discard_unsafe_fields":
			if f.Value != "false" {
				continue
			}
			a.app.Lost(f.At, f.Was, "headers with other characters than letters, digits and hyphens in their names are dropped, as Unit does without it")
			continue
		default:
			a.app.Lost(f.At, "settings.http."+key, "no counterpart of it is known here")
			continue
		}
		a.app.Add(f)
	}
	for _, key := range c.root.keys() {
		n := c.root.at(key)
		switch key {
		case "listeners", "applications", "routes", "settings":
		case "access_log":
			a.app.Add(facts.Fact{Set: "log.access", Value: "true", Was: key, At: c.position(n)})
		case "upstreams":
			a.app.Lost(c.position(n), key, "the fleet is not a proxy: let a web server in front do it")
		default:
			a.app.Lost(c.position(n), key, "no counterpart of it is known here")
		}
	}
}
