package appspec

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// GateName is what the gate of a fleet is called where apps have their names. No app
// can have it.
const GateName = "_gate"

// Gate is the gate block, and what the fleet adds to it.
type Gate struct {
	Default       string   `json:"default,omitempty"`        // app; empty: none
	ProxyProtocol []string `json:"proxy_protocol,omitempty"` // CIDRs
	// Routes are the names of all apps. They are not in the block.
	Routes []Route `json:"routes,omitempty"`
}

// Route is how an app is found.
type Route struct {
	App   string   `json:"app"`
	Hosts []string `json:"hosts,omitempty"`
	Wait  Duration `json:"wait"` // how long a client waits for it
	// TLS tells that its master ends TLS; without it nobody is sent there by a hello.
	TLS bool `json:"tls,omitempty"`
	// Certified are those of Hosts for which there is a certificate: who asks for one of
	// them at a listener with redirect is sent to HTTPS.
	Certified []string `json:"certified,omitempty"`
	// Others tells that it answers for all names that no app has, in place of the default app.
	Others bool `json:"others,omitempty"`
}

// Pair is a certificate that the master of an app shows to the clients that a gate hands
// over. Its files are read again when they change, and need not be there yet.
type Pair struct {
	Cert string `json:"cert"`
	Key  string `json:"key"`
	// Hosts are the names that it is for, as Spec.Hosts has them; nil: whoever asks.
	Hosts []string `json:"hosts,omitempty"`
	// Listen is the listener of the gate that it is for; empty: any.
	Listen string `json:"listen,omitempty"`
}

// gate compares two gates.
func (d *differ) gate() {
	for i := range gateAttributes {
		a := &gateAttributes[i]
		if !strings.HasPrefix(a.Path, "gate.http.") {
			d.field(a, a.Path, a.at(d.before, 0), a.at(d.after, 0))
		}
	}
	was, is := routesOf(d.before), routesOf(d.after)
	for _, app := range sortedKeys(union(was, is)) {
		if was[app] != is[app] {
			d.add("hosts["+Quote(app)+"]", was[app], is[app], Live)
		}
	}
	d.gateListeners()
}

// gateListeners compares the listeners by their addresses.
func (d *differ) gateListeners() {
	b, a := d.before.Sockets.written(), d.after.Sockets.written()
	gone, added := d.pair("gate.http", len(b), len(a),
		func(i int) string { return b[i].Listen }, func(i int) string { return a[i].Listen }, "listen")
	for _, i := range gone {
		d.add("gate.http", "{ listen = "+Quote(b[i].Listen)+" }", "", Replace)
	}
	for _, i := range added {
		d.add("gate.http", "", "{ listen = "+Quote(a[i].Listen)+" }", Replace)
	}
	for i := range b {
		j := slices.IndexFunc(a, func(h HTTPSocket) bool { return h.Listen == b[i].Listen })
		if j >= 0 && (b[i].TLS == nil) != (a[j].TLS == nil) {
			text := func(t *TLS) string {
				if t == nil {
					return ""
				}
				return "{ }"
			}
			d.add("gate.http["+Quote(b[i].Listen)+"].tls", text(b[i].TLS), text(a[j].TLS), Live)
		}
	}
}

func routesOf(s *Spec) map[string]string {
	out := map[string]string{}
	if s.Gate == nil {
		return out
	}
	for _, r := range s.Gate.Routes {
		text := FieldText(&r.Hosts) + " within " + r.Wait.String()
		if r.TLS {
			text += ", with TLS"
			if len(r.Certified) > 0 {
				text += " for " + FieldText(&r.Certified)
			}
		}
		if r.Others {
			text += ", and all other names"
		}
		out[r.App] = text
	}
	return out
}

func union(a, b map[string]string) map[string]bool {
	out := map[string]bool{}
	for _, m := range []map[string]string{a, b} {
		for k := range m {
			out[k] = true
		}
	}
	return out
}

// checkHostPattern takes the name of a host, or "*." and a name. Letters beyond ASCII
// are good here; whether they make a name is found out where they are turned into it.
func checkHostPattern(s string) (string, bool) {
	_, rest, isURL := strings.Cut(s, "://")
	rest, _, _ = strings.Cut(rest, "/")
	switch {
	case isURL && rest != "":
		return "write the host alone: " + Quote(rest), false
	case s == "*" || s == "*.":
		return "a wildcard matches one label of a name, as in \"*.example.org\"; for the app of all other names write default in the gate block", false
	case strings.ContainsAny(s, ", "):
		return "each name is a string of its own: [\"a.example.org\", \"b.example.org\"]", false
	case strings.Contains(s, "/"):
		return "write the host alone, without a path: the gate chooses by name", false
	case strings.HasPrefix(s, "."):
		return "write " + Quote("*"+s) + " for one label before it", false
	}
	if strings.HasPrefix(s, "[") {
		if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil && a.Is6() && a.Zone() == "" && s == "["+a.String()+"]" {
			return "", true
		} else if err == nil && a.Zone() == "" {
			return "write " + Quote("["+a.String()+"]"), false
		}
		return `write an IPv6 address as "[2001:db8::1]"`, false
	}
	if host, port, err := net.SplitHostPort(s); err == nil && isPort(port) && host != "" {
		return "a name counts at every port: write " + Quote(host), false
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Is6() {
		return "write " + Quote("["+a.String()+"]"), false
	}
	name := strings.TrimPrefix(s, "*.")
	if strings.Contains(name, "*") {
		return "a wildcard is the whole first label: \"*.example.org\"", false
	}
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > 253 || strings.Contains(name, "..") {
		return "write a host name, such as \"blog.example.org\"", false
	}
	for _, c := range []byte(name) {
		if c != '.' && c != '-' && c != '_' && c < 0x80 && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return "a host name has letters, digits, dots and hyphens", false
		}
	}
	for label := range strings.SplitSeq(name, ".") {
		if len(label) > 63 {
			return "a label of a host name has at most 63 characters", false
		}
	}
	return "", true
}
