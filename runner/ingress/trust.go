package ingress

import (
	"net/netip"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// trust takes over request.trusted_proxies.
func (e *Env) trust(proxies []string) {
	var trusted []netip.Prefix
	onUnix := false
	for _, s := range proxies {
		if s == "unix" {
			onUnix = true
		} else if p, err := netip.ParsePrefix(s); err == nil {
			trusted = append(trusted, p)
		} else if a, err := netip.ParseAddr(s); err == nil {
			trusted = append(trusted, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	e.trusted.Store(&trusted)
	e.trustsUnix.Store(onUnix)
}

// Believed is what of a trusted proxy's headers counts. It is safe for concurrent use.
func (e *Env) Believed() wsgi.Believed { return wsgi.Believed(e.believes.Load()) }

// Trusts tells whether an address is one of request.trusted_proxies. A unix socket has
// no address; its proxies are "unix" there. It is safe for concurrent use.
func (e *Env) Trusts(addr string) bool {
	trusted := *e.trusted.Load()
	if addr == "" {
		return e.trustsUnix.Load()
	}
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return false
	}
	a = a.Unmap()
	for _, p := range trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
