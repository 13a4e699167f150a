package hclspec

import (
	"bytes"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// gateBlock is the block of the gate, which stands beside the apps. Where apps have
// their names it is called appspec.GateName, and kept, faulted and compared as they are.
const gateBlock = "gate"

// gate decodes the gate block of a file.
func (o Options) gate(f *file, b *hcl.Block) *candidate {
	c := &candidate{path: f.path, whole: b.DefRange, label: b.TypeRange, name: appspec.GateName}
	dec := &decoder{o: o, f: f, owner: "gate"}
	dec.body(b.Body, gateBlock, 0)
	c.diags = append(c.diags, dec.diags...)
	if c.diags.HasErrors() {
		return c
	}
	s := appspec.Default(appspec.GateName, "")
	s.File, s.Gate = f.path, &appspec.Gate{}
	dec.layer.apply(s)
	check := &checker{o: o, spec: s, whole: c.whole}
	check.gate()
	c.spec, c.warn = s, check.warned
	c.diags = append(c.diags, check.diags...)
	return c
}

// gate checks what no single attribute of a gate can tell.
func (c *checker) gate() {
	if len(c.spec.Sockets.HTTP) == 0 {
		c.fault(gateBlock, "the gate has no listener: nobody could reach it", "write:\n"+nest("gate.http", `listen = "0.0.0.0:80"`))
	}
	for i, h := range c.spec.Sockets.HTTP {
		if h.Listen != "" {
			continue
		}
		path := appspec.IndexPath("gate.http.listen", i)
		if _, written := c.spec.Ranges[path]; written {
			c.fault(path, "listen is empty", `write: listen = "0.0.0.0:80"`)
		} else {
			c.fault(appspec.IndexPath("gate.http", i), "http has no listen", `write: listen = "0.0.0.0:80"`)
		}
	}
}

// nameOf is how an app or the gate is called in a diagnostic of another.
func nameOf(s *appspec.Spec) string {
	if s.Gate != nil {
		return "the gate"
	}
	return "app " + appspec.Quote(s.Name)
}

// parsedNot tells that the blocks of the file are not known.
func (f *file) parsedNot() bool { return f.src != nil && len(f.apps) == 0 && f.diags.HasErrors() }

// mayHoldGate tells whether a gate block may stand in a file that cannot be parsed.
func mayHoldGate(src []byte) bool {
	for line := range bytes.Lines(src) {
		word, rest, _ := strings.Cut(strings.TrimLeft(string(bytes.TrimSpace(line)), `"{ `), "gate")
		rest = strings.TrimLeft(rest, `" `)
		if word == "" && (strings.HasPrefix(rest, "{") || strings.HasPrefix(rest, ":") || strings.HasPrefix(rest, "=")) {
			return true
		}
	}
	return false
}
