package appspec

import (
	"net/mail"
	"net/netip"
	"net/url"
	"strings"
)

// ACME is the acme block of a gate; nil: it has none, and no certificate is got.
func (s *Spec) ACME() *ACME {
	for _, h := range s.Sockets.HTTP {
		if s.Gate != nil && h.TLS != nil && h.TLS.ACME != nil {
			return h.TLS.ACME
		}
	}
	return nil
}

// Managed tells whether a certificate can be got for a host: for a name by which an
// authority can ask. It asks for no wildcard, and no address.
func Managed(host string) bool {
	if strings.HasPrefix(host, "*.") || strings.HasPrefix(host, "[") || strings.Contains(host, "_") {
		return false
	}
	_, err := netip.ParseAddr(host)
	return err != nil
}

// reserved are the names that lead nowhere in the world (RFC 2606, 6761, 6762, 9476 and
// ICANN's internal): no public authority gives a certificate for them.
var reserved = []string{"test", "example", "invalid", "localhost", "local", "internal", "alt", "onion", "home.arpa"}

// Public tells whether a name can be of the public name system.
func Public(host string) bool {
	if !strings.Contains(host, ".") {
		return false
	}
	for _, r := range reserved {
		if strings.HasSuffix(host, "."+r) {
			return false
		}
	}
	return true
}

func checkEmail(s string) (string, bool) {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || !strings.Contains(s, ".") {
		return `write an address alone, such as "ops@example.org"`, false
	}
	return "", true
}

func checkDirectory(s string) (string, bool) {
	u, err := url.Parse(s)
	switch {
	case err != nil || hasControl(s) || u.Host == "" && u.Scheme != "":
		return "write the URL of its directory, such as " + Quote(LetsEncrypt), false
	case u.Scheme == "http":
		return "write https://: an authority is asked over TLS; ca names the root of one of your own", false
	case u.Scheme == "":
		return "write the whole URL: " + Quote("https://"+strings.TrimPrefix(s, "//")), false
	case u.Scheme != "https" || u.User != nil || u.Fragment != "":
		return "write the URL of its directory, such as " + Quote(LetsEncrypt), false
	}
	return "", true
}
