package hclspec

import (
	"net"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// acme checks the acme blocks of a gate.
func (c *checker) acme() {
	first := -1
	for i, h := range c.spec.Sockets.HTTP {
		if h.TLS == nil || h.TLS.ACME == nil {
			continue
		}
		block := appspec.IndexPath("gate.http.tls.acme", i)
		if h.TLS.ACME.Email == "" {
			c.fault(block, "acme has no email", `write the address that the authority may contact: email = "ops@example.org"`)
		}
		if first >= 0 && *c.spec.Sockets.HTTP[first].TLS.ACME != *h.TLS.ACME {
			c.fault(block, "acme differs from that of another listener", "it is for all listeners: write it once")
		}
		if first < 0 {
			first = i
		}
	}
}

// CheckAuthority asks check about the file of roots that the acme block names, and notes
// what it says at its place. Load does not look at it, as it may be mended without an edit
// of any spec.
func (s *Set) CheckAuthority(check func(ca string) error) {
	gate := s.Specs[appspec.GateName]
	if gate == nil {
		return
	}
	r := &renderer{sources: s.Sources}
	for i, h := range gate.Sockets.HTTP {
		if h.TLS == nil || h.TLS.ACME == nil || h.TLS.ACME.CA == "" {
			continue
		}
		err := check(h.TLS.ACME.CA)
		if err == nil {
			continue
		}
		path := appspec.IndexPath("gate.http.tls.acme.ca", i)
		what := err.Error()
		if gate.IsSensitive(path) {
			what = "the root certificates of the authority cannot be read"
		}
		s.Faults = append(s.Faults, r.fault(gate.File, appspec.GateName, hcl.Diagnostics{explain.Problem(hclRange(gate.Ranges[path]), what, "name a PEM file with the root certificate that signs its server, or leave ca out")}, nil))
	}
}

// managed warns of what no certificate will be got for.
func (l *loader) managed(good []*appspec.Spec, by map[*appspec.Spec]*candidate) {
	i := slices.IndexFunc(good, func(s *appspec.Spec) bool { return s.ACME() != nil })
	if i < 0 {
		return
	}
	gate := good[i]
	l.acmePorts(gate, by[gate])
	public := gate.ACME().Directory == appspec.LetsEncrypt
	for _, s := range good {
		if s.Gate != nil || !s.Enabled || s.TLS != nil {
			continue
		}
		c := by[s]
		at := c.whole
		if rng, ok := s.Ranges["hosts"]; ok {
			at = hclRange(rng)
		}
		shown := (&checker{spec: s}).shown
		for _, h := range s.Hosts {
			switch {
			case !appspec.Managed(h):
				c.warn = append(c.warn, explain.Warning(at, "no certificate can be obtained for the host "+shown(h)+": an authority cannot validate it",
					"for wildcards, addresses and names with _ write in the app: tls { cert and key }; they then serve its other names too"))
			case public && !appspec.Public(h):
				c.warn = append(c.warn, explain.Warning(at, "no public authority issues a certificate for the host "+shown(h)+": it is not a public DNS name",
					"name the directory of an authority of your own in the acme block, or write in the app: tls { cert and key }"))
			}
		}
	}
}

// acmePorts warns where an authority finds no listener at the port that it asks at.
func (l *loader) acmePorts(gate *appspec.Spec, c *candidate) {
	var at hcl.Range
	for i, h := range gate.Sockets.HTTP {
		if h.TLS != nil && h.TLS.ACME != nil && at.Filename == "" {
			at = hclRange(gate.Ranges[appspec.IndexPath("gate.http.tls.acme", i)])
		}
		_, port, err := net.SplitHostPort(h.Listen)
		if strings.HasPrefix(h.Listen, "systemd:") || err == nil && (port == "80" && h.TLS == nil || port == "443" && h.TLS != nil) {
			return
		}
	}
	if at.Filename == "" {
		at = c.whole
	}
	c.warn = append(c.warn, explain.Warning(at, "an authority connects to port 80 or 443, and the gate listens on neither",
		`write beside this http block: http { listen = "0.0.0.0:80" }; if a router forwards those ports here, ignore this`))
}
