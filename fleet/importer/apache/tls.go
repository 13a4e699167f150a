package apache

import (
	"fmt"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// every are all directives of a name that count in a host: its own, else the server's.
func (c *conf) every(name string, host *virtualHost) []directive {
	var own, general []directive
	for _, d := range c.all {
		switch {
		case d.name != name || len(d.within) > 0:
		case d.host == nil:
			general = append(general, d)
		case d.host == host:
			own = append(own, d)
		}
	}
	if own != nil {
		return own
	}
	return general
}

// certificate is the last certificate of a host with the key that Apache (2.4.67) takes for
// it, the one with the same number, or else what is in the file of the certificate; nil: the
// host has no TLS.
func (c *conf) certificate(host *virtualHost) []string {
	if on := c.setting("sslengine", host); !strings.EqualFold(on.arg(0), "on") {
		return nil
	}
	certs, keys := c.every("sslcertificatefile", host), c.every("sslcertificatekeyfile", host)
	if len(certs) == 0 {
		return nil
	}
	last := len(certs) - 1
	cert, key := certs[last].arg(0), certs[last].arg(0)
	if last < len(keys) {
		key = keys[last].arg(0)
	}
	return []string{facts.Rel(c.root, cert), facts.Rel(c.root, key)}
}

// otherCertificates names the certificates that an app does not get: Apache chooses among
// several of a host by what a client can check.
func (c *conf) otherCertificates(a *app) {
	for _, host := range a.scopes {
		if host == nil || c.certificate(host) == nil {
			continue
		}
		certs := c.every("sslcertificatefile", host)
		last := certs[len(certs)-1]
		for _, d := range certs[:len(certs)-1] {
			a.app.Lost(d.at, d.was, fmt.Sprintf("an app has one certificate, here that of line %d: Apache had several, as of RSA for clients that know no ECDSA, and gave each client one that it can check; write this one into tls if such clients come", last.at.Line))
		}
	}
}
