package hclspec

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// checker checks one resolved app: what no single attribute can tell.
type checker struct {
	o      Options
	spec   *appspec.Spec
	whole  hcl.Range // where the app starts
	diags  hcl.Diagnostics
	warned hcl.Diagnostics
}

// at is where an attribute was written, the app's start where it was not.
func (c *checker) at(path string) hcl.Range {
	if rng, ok := c.spec.Ranges[path]; ok {
		return hclRange(rng)
	}
	return c.whole
}

// written says where an attribute stands, of an environment: often in another block
// than the one that it does not fit to.
func (c *checker) written(name, path string) string {
	rng, ok := c.spec.Ranges[path]
	if !ok || c.spec.Environment == "" {
		return ""
	}
	return "; " + name + " is of " + rng.Filename + ":" + itoa(rng.Start.Line)
}

func (c *checker) fault(path, what, instead string) {
	c.diags = append(c.diags, explain.Problem(c.at(path), what, instead))
}

func (c *checker) warn(path, what, instead string) {
	c.warned = append(c.warned, explain.Warning(c.at(path), what, instead))
}

// mount warns of a SCRIPT_NAME that counts for nothing, and where none is known beforehand:
// some applications take the first one that they see for all times, Django for its
// STATIC_URL (findings/django-static-url-is-the-first-readers.sh).
func (c *checker) mount() {
	if r := &c.spec.Request; c.spec.Health != nil && c.spec.Mount() == "" && len(r.TrustedProxies) > 0 && slices.Contains(r.TrustedHeaders, "x-forwarded-prefix") {
		c.warn("health.path", "the prefix comes by x-forwarded-prefix, which a health check does not have: where Django's STATIC_URL is relative, a worker whose first request is the check makes links without the prefix",
			"write the prefix, which the health check has then: "+explain.Example("script_name"))
	}
	name := c.spec.Env["SCRIPT_NAME"]
	if name == "" || c.spec.Mount() != "" {
		return
	}
	instead, _ := appspec.Table().Attribute["script_name"].Check(name)
	c.warn("env", "SCRIPT_NAME of env is not a path prefix, and is ignored: "+c.spec.Shown("env.SCRIPT_NAME", appspec.Quote(name)), instead)
}

func (c *checker) check() {
	c.envFiles()
	c.required()
	c.workers()
	c.hosts()
	c.sockets()
	c.order()
	c.loader()
	c.mount()
	c.privileges()
	c.limits()
	c.static()
	c.processes()
	c.schedules()
	c.backends()
	c.deploy()
	c.database()
}

// required looks for the attributes that their blocks cannot do without.
func (c *checker) required() {
	for i := range appspec.Attributes() {
		a := &appspec.Attributes()[i]
		if !a.Required {
			continue
		}
		n := 1
		switch {
		case strings.HasPrefix(a.Path, "sockets.http."):
			n = len(c.spec.Sockets.HTTP)
		case strings.HasPrefix(a.Path, "sockets.mongrel2."):
			n = len(c.spec.Sockets.Mongrel2)
		case strings.HasPrefix(a.Path, "static."):
			n = len(c.spec.Static)
		case explain.NamedBlocks[a.Block()] != "":
			continue // see stages and processes
		}
		for j := range n {
			field, _ := a.Field(c.spec, j).(*string)
			if field == nil || *field != "" {
				continue
			}
			if _, written := c.spec.Ranges[appspec.IndexPath(a.Path, j)]; written {
				c.fault(appspec.IndexPath(a.Path, j), a.Name()+" is empty", "write: "+a.Written())
				continue
			}
			block := a.Block()
			c.fault(appspec.IndexPath(block, j), block[strings.LastIndexByte(block, '.')+1:]+" has no "+a.Name(), "write: "+a.Written())
		}
	}
}

func (c *checker) workers() {
	w := &c.spec.Workers
	if w.Min > w.Max {
		switch _, ok := c.spec.Ranges["workers.max"]; {
		case ok:
			c.fault("workers.min", "min is "+itoa(w.Min)+" and max is "+itoa(w.Max), "min is at most max"+c.written("max", "workers.max"))
		default:
			c.fault("workers.min", "min without max", "write: max = "+itoa(max(2*w.Min, 2))+" as well, or count = "+itoa(w.Min)+" for a fixed number")
		}
	}
}

func (c *checker) sockets() {
	spec := c.spec
	s := &spec.Sockets
	if len(s.HTTP)+len(s.Mongrel2)+len(spec.Hosts) == 0 && c.spec.Enabled {
		c.fault("sockets", "the app has no socket: it cannot be reached", "write:\n"+explain.Example("sockets")+"\nor, where the directory has a gate, its hosts: "+explain.Example("hosts"))
	}
	for i, h := range s.HTTP {
		if strings.HasPrefix(h.Listen, "unix:") {
			if h.TLS != nil {
				c.fault(appspec.IndexPath("sockets.http.tls", i), "tls on a unix socket", "TLS is for host:port: leave out the tls block")
			}
			if _, written := spec.Ranges["request.trusted_proxies"]; !written {
				c.warn(appspec.IndexPath("sockets.http.listen", i), "clients of a unix socket have no address: REMOTE_ADDR is empty and the scheme is http",
					`if a proxy that sets X-Forwarded-For and -Proto connects to it, write in request: trusted_proxies = ["unix"]; otherwise: trusted_proxies = []`)
			} else if t := spec.Request.TrustedProxies; len(t) > 0 && !slices.Contains(t, "unix") {
				c.warn("request.trusted_proxies", "no network of trusted_proxies includes the clients of a unix socket: REMOTE_ADDR is empty there and the scheme is http",
					`if a proxy that sets X-Forwarded-For and -Proto connects to it, add "unix": trusted_proxies = ["unix", …]`)
			}
			continue
		}
		for _, name := range []string{"mode", "owner", "group"} {
			path := appspec.IndexPath("sockets.http."+name, i)
			if _, ok := c.spec.Ranges[path]; ok {
				c.fault(path, name+" is for unix sockets only", "leave it out: "+spec.Shown(appspec.IndexPath("sockets.http.listen", i), appspec.Quote(h.Listen))+" has no permissions")
			}
		}
	}
	if len(s.Mongrel2) > 0 && !spec.Request.Buffering {
		c.warn("request.buffering", "mongrel2 hands a request over when it has all of its body: buffering = false has no effect for its requests",
			"an app can read bodies as they arrive only from an http socket")
	}
	for i, m := range s.Mongrel2 {
		if m.Recv != "" && endpointKey(m.Recv) == endpointKey(m.Send) {
			c.fault(appspec.IndexPath("sockets.mongrel2.send", i), "recv and send are the same endpoint", "recv is the handler's send_spec and send its recv_spec: two different ones")
		}
	}
}

// order checks the pairs of which one may not be larger.
func (c *checker) order() {
	if r := &c.spec.Restart; r.MinDelay > r.MaxDelay {
		path := "restart.min_delay"
		if _, ok := c.spec.Ranges[path]; !ok {
			path = "restart.max_delay"
		}
		c.fault(path, "min_delay is "+appspec.DurationText(r.MinDelay.D())+" and max_delay is "+appspec.DurationText(r.MaxDelay.D()), "min_delay is at most max_delay"+c.written("max_delay", "restart.max_delay"))
	}
	if h := c.spec.Health; h != nil && h.Timeout > h.Interval {
		path := "health.timeout"
		if _, ok := c.spec.Ranges[path]; !ok {
			path = "health.interval"
		}
		c.fault(path, "timeout is "+appspec.DurationText(h.Timeout.D())+" and interval is "+appspec.DurationText(h.Interval.D()), "timeout is at most interval: a check ends before the next one starts"+c.written("interval", "health.interval"))
	}
}

func (c *checker) loader() {
	s := c.spec
	if s.Loader == "wsgi" && s.WSGIApp == "" {
		c.fault("loader", `loader "wsgi" needs wsgi_app`, `write: wsgi_app = "`+pythonName(s.App())+`.wsgi:application", or loader = "auto"`)
	}
	if slices.Contains(frameworks, s.Loader) {
		c.warn("loader", appspec.Quote(s.Loader)+` is not a built-in loader, and will be looked for among the plugins`, `leave loader out, and write: wsgi_app = "module:app"`)
	}
	if s.Django != nil && s.Loader == "pyroutes" {
		c.fault("django", "a django block with loader "+appspec.Quote(s.Loader), `leave the block out, or write loader = "django"`)
	}
}

// frameworks are those whose applications need no loader, as people write them for
// one.
var frameworks = []string{"bottle", "cherrypy", "dash", "falcon", "flask", "pecan", "pyramid", "python", "tornado", "werkzeug"}

func pythonName(s string) string { return strings.ReplaceAll(s, "-", "_") }

// privileges checks what only a daemon that is root can do.
func (c *checker) privileges() {
	s := c.spec
	if _, written := s.Ranges["no_new_privileges"]; written && s.Chroot && !s.NoNewPrivileges {
		c.fault("no_new_privileges", "no_new_privileges = false with chroot = true", "leave it out: in a chroot the app can change files that set-user-ID programs trust, so they gain no rights there"+c.written("chroot", "chroot"))
	}
	if s.Chroot {
		for i, dir := range s.LoaderDirs {
			clean := dir
			if !filepath.IsAbs(clean) {
				clean = filepath.Join(s.Path, clean)
			}
			if !inside(filepath.Clean(clean), filepath.Clean(s.Path)) {
				c.fault("loader_dirs", "loader_dirs["+itoa(i)+"] "+s.Shown("loader_dirs", appspec.Quote(dir))+" is outside of the app folder, and chroot is true", "move the plugins into "+s.Path+", or write chroot = false")
			}
		}
	}
	if c.o.Root {
		if s.User == "root" {
			c.warn("user", "the workers of this app run as root", "name another user unless the app must be root")
		}
		return
	}
	if s.Chroot {
		c.fault("chroot", "chroot needs root, and this is not root", "write chroot = false, or let root run the fleet")
	}
	if s.User != "" && c.o.User != "" && s.User != c.o.User {
		c.fault("user", "the app cannot run as "+s.Shown("user", s.User)+": this is "+c.o.User+", not root", "leave user out, or let root run the fleet")
	}
}

// inside tells whether path is dir or below it; both are clean.
func inside(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// limits warns of what only systemd can hold.
func (c *checker) limits() {
	if c.o.Systemd {
		return
	}
	l := &c.spec.Limits
	for _, limit := range []struct {
		name string
		set  bool
	}{{"memory", l.Memory > 0}, {"cpu", l.CPU > 0}, {"tasks", l.Tasks > 0}} {
		if limit.set {
			c.warn("limits."+limit.name, "limits."+limit.name+" is enforced under systemd only, and systemd does not run this host", "limits.open_files, processes and address_space are enforced everywhere")
		}
	}
}
