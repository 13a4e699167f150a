package hclspec

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// gate decodes the gate block of a file.
func (o Options) gate(f *file, b *hcl.Block) *candidate {
	c := &candidate{path: f.path, whole: b.DefRange, label: b.TypeRange, name: appspec.GateName}
	dec := &decoder{o: o, f: f, owner: "gate"}
	dec.body(b.Body, explain.GateBlock, 0)
	c.diags = append(c.diags, dec.diags...)
	if c.diags.HasErrors() {
		return c
	}
	s := appspec.Default(appspec.GateName, "")
	s.File, s.Gate = f.path, &appspec.Gate{}
	// All clients wait while it is not there, and what a killed one has held is kept for
	// the next one for half a minute (runner/gate/guard).
	s.Restart.MinDelay, s.Restart.MaxDelay = appspec.Duration(100*time.Millisecond), appspec.Duration(time.Second)
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
		c.fault(explain.GateBlock, "the gate has no listener: it cannot be reached", "write:\n"+explain.Nest("gate.http", `listen = "0.0.0.0:80"`))
	}
	secure := slices.ContainsFunc(c.spec.Sockets.HTTP, func(h appspec.HTTPSocket) bool { return h.TLS != nil })
	c.acme()
	for i, h := range c.spec.Sockets.HTTP {
		c.gateTLS(i, &h, secure)
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

// gateTLS checks the TLS of a listener.
func (c *checker) gateTLS(i int, h *appspec.HTTPSocket, secure bool) {
	if h.Redirect != "" && h.TLS != nil {
		c.fault(appspec.IndexPath("gate.http.redirect", i), "redirect on a listener with tls", "its clients use HTTPS already: write redirect at the one without tls")
	} else if h.Redirect != "" && !secure {
		c.fault(appspec.IndexPath("gate.http.redirect", i), "redirect, and no listener of the gate has tls", "write beside this http block:\n"+explain.Nest("gate.http", "listen = \"0.0.0.0:443\"\ntls { … }"))
	}
	t := h.TLS
	if t == nil {
		return
	}
	switch {
	case strings.HasPrefix(h.Listen, "unix:"):
		c.fault(appspec.IndexPath("gate.http.tls", i), "tls on a unix socket", "TLS is for host:port: leave out the tls block")
	case t.Cert != "" && t.Key == "":
		c.fault(appspec.IndexPath("gate.http.tls.cert", i), "cert without key", `write the file of its private key: key = "/etc/ssl/sites.key"`)
	case t.Cert == "" && t.Key != "":
		c.fault(appspec.IndexPath("gate.http.tls.key", i), "key without cert", `write the file of the certificate: cert = "/etc/ssl/sites.pem"`)
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
