package kamal

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/command"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// application is what the primary role runs: its cmd, or what the image starts by itself.
func (r *reader) application() error {
	image := r.root.get("image")
	at := image.position()
	c := facts.Command{Dir: r.project, Env: map[string]string{}}
	if cmd := r.web.get("cmd"); cmd != nil {
		c.Argv, c.Was, c.At = shellwords.Shell(cmd.value()), "servers."+r.primary+".cmd: "+facts.CommandText(cmd.value()), cmd.at
	} else if r.image != nil {
		c = r.image.command(r.app, r.project)
	}
	server := ""
	if len(c.Argv) > 0 {
		trial := &facts.App{Name: r.app.Name}
		var err error
		if server, err = command.Service(r.o, trial, c); err != nil { // a file of the image may not be here
			r.app.Lost(c.At, c.Was, "what it starts could not be read here: "+err.Error())
		} else if server != "" {
			r.served(trial)
		}
	}
	code := "its code comes from git here: name the repository in deploy { repository = … }, or bring the code into app/ of the app folder"
	if server == "" {
		code += ", and the module of the application in wsgi_app: " + r.starts(c)
	}
	r.app.Lost(at, "image: "+facts.Either(image.value(), r.app.Name), "an image is not run, "+code)
	r.app.Add(facts.Fact{Set: facts.SetDirectory, Value: r.project}) // for the checkout, the workers need not have it
	in := facts.Fact{Set: "working_directory", Value: "app", Was: "the folder with the code, as in the image", At: at}
	for _, f := range r.app.Facts {
		if f.Set == "code" {
			in.Value = filepath.Join("app", f.Value) // the server went there
		}
	}
	r.app.Add(in)
	r.in = in.Value
	return nil
}

// starts says what the image starts, where that is no server that is known.
func (r *reader) starts(c facts.Command) string {
	switch {
	case len(c.Argv) > 0:
		return c.At.String() + ": " + c.Was + " starts no WSGI server that is known here (" + command.KnownServers + ")"
	case r.image == nil:
		return "no Dockerfile is here that says what the image starts"
	}
	return filepath.Base(r.image.path) + " says nothing of what the image starts"
}

// served takes what a server is told, but for where it stood in the image: its address was
// the proxy's alone, and so was whom it believed.
func (r *reader) served(trial *facts.App) {
	for _, f := range trial.Facts {
		switch f.Set {
		case facts.SetListen, facts.SetSocketMode, facts.SetSocketUser, facts.SetSocketGrp, "request.trusted_proxies", "request.trusted_headers", "user", "group":
			continue
		case facts.SetDirectory, facts.SetSearchPath:
			if f.Value == r.project || f.Was == "" {
				continue
			}
			if inside, err := filepath.Rel(r.project, f.Value); err == nil && !strings.HasPrefix(inside, "..") {
				f = facts.Fact{Set: "code", Value: inside, Was: f.Was + ", below a release of a deploy", At: f.At}
			}
		case "virtualenv":
			r.app.Note(f.At, f.Was, "the virtualenv of the image is not here: a deploy makes one of the requirements")
			continue
		case facts.SetLost, facts.SetNote:
			if strings.Contains(f.Was, "bind") || strings.Contains(f.Value, "virtualenv") {
				continue
			}
		}
		r.app.Add(f)
	}
}

// others are the roles beside the primary one, and what runs beside the app.
func (r *reader) others() {
	servers := r.root.get("servers")
	webHosts := r.machines()
	if servers != nil && len(servers.items) == 0 {
		for _, name := range servers.keys {
			role := servers.members[name]
			if name == r.primary {
				r.limits(name, role)
				continue
			}
			r.role(name, role, webHosts)
		}
	}
	accessories := r.root.get("accessories")
	if accessories == nil {
		return
	}
	for _, name := range accessories.keys {
		r.accessory(name, accessories.members[name])
	}
}

// role makes a process of one beside the primary role.
func (r *reader) role(name string, role *node, webHosts []string) {
	at, was := role.position(), "servers."+name
	if proxy := role.get("proxy"); proxy != nil && !proxy.is("false") {
		r.app.Lost(proxy.at, was+".proxy", "it answers requests too: make an app of its own for it")
		return
	}
	cmd := role.get("cmd")
	if cmd == nil {
		r.app.Lost(at, was, "it has no cmd, so the image said what it runs: name that in process \""+facts.AppNameOf(name)+"\" { command = […] }")
		return
	}
	was += ".cmd: " + facts.CommandText(cmd.value())
	argv := withoutRun(shellwords.Shell(cmd.value()))
	if strings.Contains(cmd.value(), "crontab") || slices.Contains(argv, "cron") {
		r.app.Lost(cmd.at, was, "it runs cron: write a schedule for each line of its crontab, which the app has without cron")
		return
	}
	if server, err := command.Service(r.o, &facts.App{}, facts.Command{Argv: argv, Dir: r.project, At: cmd.at}); server != "" || err != nil {
		r.app.Lost(cmd.at, was, "it is a server too: make an app of its own for it")
		return
	}
	if len(argv) == 0 {
		r.app.Lost(cmd.at, was, "it has no command")
		return
	}
	more := map[string]string{}
	for _, n := range []*node{role.get("stop_timeout"), r.root.get("stop_timeout"), r.root.get("drain_timeout")} {
		if n != nil {
			more["stop_timeout"] = n.value() + "s"
			break
		}
	}
	r.app.Add(facts.Fact{Set: facts.SetProcess, Key: name, List: argv, More: more, Was: was, At: cmd.at})
	if r.in != "app" {
		r.app.Note(cmd.at, was, "in the image it ran in the folder with all of the code, here where the server went, "+r.in+": name its files from there")
	}
	for _, word := range argv {
		r.inImage(was, word, cmd.at)
	}
	if own := hosts(role); len(own) > 0 && len(webHosts) > 0 && !slices.Equal(own, webHosts) {
		r.app.Note(at, "servers."+name+": "+strings.Join(own, ", "), "it ran on other hosts than "+r.primary+"; a process runs wherever the app does: make an app of its own where that is not wanted")
	}
	r.roleEnv(name, role)
	if left := keysBut(role, "hosts", "cmd", "env", "stop_timeout", "proxy", "labels"); len(left) > 0 {
		r.app.Lost(at, "servers."+name+": "+strings.Join(left, ", "), "all that runs of an app has the app's settings: write it there, or make an app of its own for the role")
	}
}

// limits are options that the primary role gives to Docker.
func (r *reader) limits(name string, role *node) {
	options := role.get("options")
	for _, key := range keysBut(options) {
		n := options.members[key]
		f := facts.Fact{Was: "servers." + name + ".options." + key + ": " + n.value(), At: n.at}
		switch key {
		case "memory":
			f.Set, f.Value = "limits.memory", sizeOf(n.value())
		case "cpus":
			f.Set, f.Value = "limits.cpu", n.value()
		case "pids-limit":
			f.Set, f.Value = "limits.tasks", n.value()
		case "restart":
			continue
		default:
			r.app.Lost(n.at, f.Was, "it is an option of Docker's: no counterpart of it is known here")
			continue
		}
		r.app.Add(f)
	}
	if left := keysBut(role, "hosts", "cmd", "env", "options", "proxy", "labels", "logging", "stop_timeout", "asset_path"); role != nil && len(left) > 0 {
		r.app.Lost(role.at, "servers."+name+": "+strings.Join(left, ", "), "no counterpart of it is known here")
	}
	if n := role.get("asset_path"); n != nil {
		r.app.Lost(n.at, "asset_path: "+n.value(), known["asset_path"])
	}
}

// accessory is a service beside the app, which is none of the fleet's.
func (r *reader) accessory(name string, n *node) {
	image := n.get("image").value()
	why := "it is no app: let Docker run it on, or a package of the system, and give it an address that the app reaches"
	kind := strings.ToLower(image + " " + name)
	switch {
	case strings.Contains(kind, "postgres") || strings.Contains(kind, "pgvector") || strings.Contains(kind, "timescale"):
		why += "; a deploy can make the role and the database in it: deploy { database { kind = \"postgresql\" … } }"
	case strings.Contains(kind, "mysql") || strings.Contains(kind, "mariadb"):
		why += "; the name of its container is no name of a host outside of Docker's network"
	}
	port := n.get("port").value()
	if port == "" {
		why += ": Docker published no port of it, so that " + facts.Either(n.get("service").value(), r.root.get("service").value()+"-"+name) + ", its name in Docker's network, is known to containers alone"
	}
	r.app.Lost(n.at, "accessories."+name+": "+image, why)
}
