package hclspec

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/net/idna"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// hosts brings the names of an app into the form that a client sends, in small letters:
// letters beyond ASCII as IDNA has them.
func (c *checker) hosts() {
	if c.spec.TLS != nil && len(c.spec.Hosts) == 0 {
		c.warn("tls", "tls is for the hosts of an app, and this one has none", "write its hosts as well; for a listener of the app's own write tls inside of its http block")
	}
	out := make([]string, 0, len(c.spec.Hosts))
	for _, written := range c.spec.Hosts {
		star, name := "", strings.TrimSuffix(written, ".")
		if rest, ok := strings.CutPrefix(name, "*."); ok {
			star, name = "*.", rest
		}
		host, err := asciiHost(name)
		if err != nil {
			c.fault("hosts", "the host "+c.shown(written)+" is not a name that a client can request", "write it as it stands in a browser's address, letters, digits, dots and hyphens")
			continue
		}
		host = star + host
		if slices.Contains(out, host) {
			c.fault("hosts", "the host "+c.shown(host)+" is defined twice", "remove one: case and a dot at the end do not count")
			continue
		}
		out = append(out, host)
	}
	if len(out) == len(c.spec.Hosts) && len(out) > 0 { // else it is at fault
		c.spec.Hosts = out
	}
}

func (c *checker) shown(host string) string {
	if c.spec.IsSensitive("hosts") {
		return appspec.SensitiveText
	}
	return appspec.Quote(host)
}

// asciiHost is the form of a name that is sent.
func asciiHost(name string) (string, error) {
	if !strings.ContainsFunc(name, func(r rune) bool { return r >= 0x80 }) {
		return strings.ToLower(name), nil
	}
	// Names with _ are asked for, though they are none by the letter.
	return idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false)).ToASCII(name)
}

// names checks the hosts of all apps together, and the gate against the apps.
func (l *loader) names(good []*appspec.Spec, by map[*appspec.Spec]*candidate) {
	owners := map[string]*appspec.Spec{}
	at := func(s *appspec.Spec) hcl.Range {
		if rng, ok := s.Ranges["hosts"]; ok {
			return hclRange(rng)
		}
		return by[s].whole
	}
	fault := func(s, other *appspec.Spec, host string) {
		c := by[s]
		if s.IsSensitive("hosts") || other.IsSensitive("hosts") {
			host = appspec.SensitiveText
		}
		if at(s) == at(other) {
			c.diags = append(c.diags, explain.Problem(at(s), "the host "+host+" of the app block would be of each of its environments",
				"move hosts into the environments, each with its own names"))
			return
		}
		rng := at(other)
		c.diags = append(c.diags, explain.Problem(at(s), "the host "+host+" is of two apps, as in "+nameOf(other)+" ("+rng.Filename+":"+itoa(rng.Start.Line)+")",
			"a name leads to one app: remove it from one of them"))
	}
	var gate, named *appspec.Spec
	for _, s := range good {
		if s.Gate != nil {
			gate = s
			continue
		}
		if len(s.Hosts) > 0 && named == nil {
			named = s
		}
		if !s.Enabled { // it has none, as it holds no socket
			continue
		}
		for _, h := range s.Hosts {
			if o, taken := owners[h]; taken {
				fault(s, o, h)
				fault(o, s, h)
				continue
			}
			owners[h] = s
		}
	}
	switch {
	case gate != nil && gate.Gate.Default != "" && l.found[gate.Gate.Default] == nil:
		l.defaultApp(gate, by[gate])
	case gate == nil && named != nil && l.set.Dir != "" && l.found[appspec.GateName] == nil && !l.anyBroken():
		c := by[named]
		c.warn = append(c.warn, explain.Warning(at(named), "hosts is set, but the directory has no gate: no connection arrives by name",
			"write beside the apps:\n"+explain.Nest("gate.http", `listen = "0.0.0.0:80"`)))
	}
}

// defaultApp says that there is no such app.
func (l *loader) defaultApp(gate *appspec.Spec, c *candidate) {
	if l.anyBroken() || l.set.Dir == "" {
		return // it may stand in a file that cannot be read, or in one that is not asked for
	}
	name := gate.Gate.Default
	shown := appspec.Quote(name)
	if gate.IsSensitive("gate.default") {
		shown = appspec.SensitiveText
	}
	instead := "write the name of an app of the directory, or leave it out"
	if near := appspec.Nearest(name, slices.Sorted(maps.Keys(l.found))); near != "" && near != appspec.GateName {
		instead = "did you mean " + appspec.Quote(near) + "?"
	}
	rng, ok := gate.Ranges["gate.default"]
	place := cmp.Or(hclRange(rng), c.whole)
	if !ok {
		place = c.whole
	}
	c.diags = append(c.diags, explain.Problem(place, "there is no app "+shown, instead))
}

// anyBroken tells that there are files of which it is not known what stands in them.
func (l *loader) anyBroken() bool { return len(l.faults) > 0 }
