package hclspec

import (
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// clash is two apps that cannot both be.
type clash struct {
	spec, other *appspec.Spec
	path        string // the attribute of spec
	otherPath   string
	what        string // without the other's name, and without the value
	value       string
	instead     string
}

// diagnostic is the clash as the file of the one app shows it.
func (c clash) diagnostic(whole func(*appspec.Spec) hcl.Range) *hcl.Diagnostic {
	at := func(s *appspec.Spec, path string) hcl.Range {
		if rng, ok := s.Ranges[path]; ok {
			return hclRange(rng)
		}
		return whole(s)
	}
	other := at(c.other, c.otherPath)
	value := c.value
	if c.spec.IsSensitive(c.path) || c.other.IsSensitive(c.otherPath) {
		value = appspec.SensitiveText
	}
	if here, ok := c.spec.Ranges[c.path]; ok && here == c.other.Ranges[c.otherPath] {
		// Both are environments of one app, whose block says it for all of them. The
		// words are the same for each, so that they are told once.
		return explain.Problem(hclRange(here), "the socket "+value+" of the app block would be opened by each of its environments",
			"move the block sockets into the environments, each with its own")
	}
	return explain.Problem(at(c.spec, c.path), strings.Replace(c.what, "%", value, 1)+", as in "+nameOf(c.other)+" ("+other.Filename+":"+itoa(other.Start.Line)+")", c.instead)
}

// clashes finds the apps that use a folder or a socket twice. Both are at
// fault: nothing tells which of the two is meant to have it.
func clashes(fsys afero.Fs, specs []*appspec.Spec) []clash {
	links := &resolver{fsys: fsys, known: make(map[string]string, len(specs))}
	links.ahead(pathsOf(specs))
	f := &clashFinder{links: links, tcp: map[string][]use{}, sockets: make(map[string]use, len(specs))}
	f.folders(specs)
	for _, s := range specs {
		if s.Enabled { // else it holds no socket
			f.http(s)
			f.mongrel2(s)
		}
	}
	return append(f.found, f.crowds.clashes(func(port string) bool { return len(f.tcp[port]) > 0 })...)
}

// use is a socket of an app, at a path of its spec.
type use struct {
	spec *appspec.Spec
	path string
	host string // of an address
}

type clashFinder struct {
	links   *resolver
	found   []clash
	tcp     map[string][]use // by port
	crowds  crowds           // of them
	sockets map[string]use   // others, by name
}

func (f *clashFinder) both(a, b *appspec.Spec, pathA, pathB, what, value, instead string) {
	f.found = append(f.found, clash{b, a, pathB, pathA, what, value, instead})
	if a != b {
		f.found = append(f.found, clash{a, b, pathA, pathB, what, value, instead})
	}
}

func (f *clashFinder) folders(specs []*appspec.Spec) {
	folders := make(map[string]*appspec.Spec, len(specs))
	for _, s := range specs {
		if s.Gate != nil {
			continue
		}
		key := f.links.resolve(s.Path)
		first, ok := folders[key]
		if !ok {
			folders[key] = s
			continue
		}
		value := s.Path
		if first.Path != s.Path {
			value = first.Path + ", by symlinks the same as " + s.Path + ","
		}
		f.both(first, s, "path", "path", "the app folder % is used twice", value, "give each app a folder of its own")
	}
}

func (f *clashFinder) http(s *appspec.Spec) {
	block := "sockets.http.listen"
	if s.Gate != nil {
		block = "gate.http.listen"
	}
	for i, h := range s.Sockets.HTTP {
		path := appspec.IndexPath(block, i)
		if file, ok := strings.CutPrefix(h.Listen, "unix:"); ok {
			f.socket(s, path, "unix:"+f.links.resolve(file))
		} else if strings.HasPrefix(h.Listen, "systemd:") {
			f.socket(s, path, h.Listen)
		} else {
			f.address(s, path, h.Listen)
		}
	}
}

func (f *clashFinder) socket(s *appspec.Spec, path, name string) {
	if u, ok := f.sockets[name]; ok {
		f.both(u.spec, s, u.path, path, "the socket % is used twice", name, "give each its own socket")
		return
	}
	f.sockets[name] = use{spec: s, path: path}
}

func (f *clashFinder) address(s *appspec.Spec, path, listen string) {
	host, port, _ := net.SplitHostPort(listen)
	for _, u := range f.tcp[port] {
		if sameHost(u.host, host) {
			what, value := "the socket % is used twice", listen
			if u.host != host {
				what, value = "the sockets % cannot both be open", net.JoinHostPort(u.host, port)+" and "+listen
			}
			f.crowds.add(u.spec, s, u.path, path, what, value, host, port)
			break
		}
	}
	f.tcp[port] = append(f.tcp[port], use{s, path, host})
}

func (f *clashFinder) mongrel2(s *appspec.Spec) {
	for i, m := range s.Sockets.Mongrel2 {
		for _, end := range [...]struct{ name, endpoint string }{{"recv", m.Recv}, {"send", m.Send}} {
			path := appspec.IndexPath("sockets.mongrel2."+end.name, i)
			key := end.name + " " + endpointKey(end.endpoint)
			if u, ok := f.sockets[key]; ok {
				f.both(u.spec, s, u.path, path, "the mongrel2 endpoint % is used twice as "+end.name, end.endpoint, "one handler of mongrel2 serves one app: give each its own pair")
				continue
			}
			f.sockets[key] = use{spec: s, path: path}
		}
	}
}

// pathsOf are the paths that clashes follows, of app folders and unix sockets.
func pathsOf(specs []*appspec.Spec) []string {
	paths := make([]string, 0, len(specs))
	for _, s := range specs {
		if s.Gate == nil {
			paths = append(paths, s.Path)
		}
		for i := range s.Sockets.HTTP {
			if file, ok := strings.CutPrefix(s.Sockets.HTTP[i].Listen, "unix:"); ok && s.Enabled {
				paths = append(paths, file)
			}
		}
	}
	return paths
}

// crowds are the apps that want one port: the first of each tells of all, each
// other one of the first.
type crowds struct{ all []*crowd }

type crowd struct {
	first *appspec.Spec
	path  string
	rest  []clash // of the others
	hosts []string
	port  string
}

func (c *crowds) add(first, s *appspec.Spec, firstPath, path, what, value, host, port string) {
	var in *crowd
	for _, old := range c.all {
		if old.first == first && old.path == firstPath {
			in = old
		}
	}
	if in == nil {
		in = &crowd{first: first, path: firstPath, port: port}
		c.all = append(c.all, in)
	}
	in.rest = append(in.rest, clash{s, first, path, firstPath, what, value, ""})
	in.hosts = append(in.hosts, host)
}

// clashes says for each app which port nobody has named.
func (c *crowds) clashes(taken func(port string) bool) (found []clash) {
	given := map[int]bool{}
	for _, in := range c.all {
		one := in.rest[0]
		if one.spec != in.first {
			one.spec, one.other, one.path, one.otherPath = one.other, one.spec, one.otherPath, one.path
			one.instead = "give each its own port"
			if n := len(in.rest) + 1; n > 2 {
				names := []string{strings.TrimPrefix(in.first.Name, "_")}
				for _, r := range in.rest {
					names = append(names, strings.TrimPrefix(r.spec.Name, "_"))
				}
				one.what = "the port of % is used " + itoa(n) + " times (apps " + strings.Join(names, ", ") + ")"
			}
			found = append(found, one)
		}
		n, _ := strconv.Atoi(in.port)
		for i, r := range in.rest {
			r.instead = "give each its own port"
			for n++; n < 65536 && (taken(itoa(n)) || given[n]); n++ {
			}
			if n < 65536 && !r.spec.IsSensitive(r.path) {
				given[n] = true
				r.instead += ": listen = " + appspec.Quote(net.JoinHostPort(in.hosts[i], itoa(n)))
			}
			found = append(found, r)
		}
	}
	return found
}

// sameHost tells whether two listeners of one port stand in each other's way.
// That a name which is not looked up does, with one of all addresses, is a guess.
func sameHost(a, b string) bool {
	if strings.EqualFold(a, b) || isEverywhere(a) || isEverywhere(b) {
		return true
	}
	x, y := address(a), address(b)
	switch {
	case x.IsUnspecified():
		return !y.IsValid() || x.Is4() == y.Is4()
	case y.IsUnspecified():
		return !x.IsValid() || x.Is4() == y.Is4()
	default:
		return x.IsValid() && x == y
	}
}

// isEverywhere tells that a host is all addresses of both families.
func isEverywhere(host string) bool { return host == "" || host == "*" }

// address is the address a host means. A name other than localhost is not
// looked up.
func address(host string) netip.Addr {
	if strings.EqualFold(host, "localhost") {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}

// endpointKey is the same for two endpoints that are the same.
func endpointKey(endpoint string) string {
	transport, rest, _ := strings.Cut(endpoint, "://")
	switch transport {
	case "tcp":
		if host, port, err := net.SplitHostPort(rest); err == nil {
			a := address(host)
			switch {
			case a.IsUnspecified(): // to connect to any address is to connect to oneself
				host = "127.0.0.1"
			case a.IsValid():
				host = a.String()
			}
			return "tcp://" + strings.ToLower(host) + ":" + port
		}
	case "ipc":
		return "ipc://" + filepath.Clean(rest)
	}
	return endpoint
}
