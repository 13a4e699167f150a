package master

import (
	"net"
	"net/netip"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/bridge"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// Clients that come by TLS at a gate: it has read no more than their hello. The
// handshake is done here, with the certificate of the app, and what comes over the
// connection from then on is ours, but for requests for names of other apps.

// gatedTLS is what such connections go by.
type gatedTLS struct {
	certificates bridge.Certificates
	names        atomic.Pointer[gate.Names]
}

// answers tells whether a host is the app's.
func (g *gatedTLS) answers(host []byte) bool { return g.names.Load().Answer(host) }

// configureGated takes over names and certificates, for requests and handshakes from
// now on.
func (in *tlsIngress) configureGated(spec *appspec.Spec) {
	n := len(spec.Sockets.HTTP)
	if n == 0 || !spec.Sockets.HTTP[n-1].Adopts {
		return
	}
	s := &spec.Sockets.HTTP[n-1]
	if in.gated == nil {
		in.gated = &gatedTLS{certificates: bridge.Certificates{Open: in.files, Log: in.log.Info}}
	}
	in.gated.names.Store(in.http.Names())
	choices := make([]bridge.Choice, len(s.Pairs))
	for i, p := range s.Pairs {
		choices[i] = bridge.Choice{Cert: p.Cert, Key: p.Key, Hosts: p.Hosts, Place: p.Listen}
	}
	in.gated.certificates.Use(choices)
}

// adopt serves a connection that a gate has handed over.
func (in *tlsIngress) adopt(fd int, peer wsgi.Peer, p *gate.Passed) {
	if in.gated == nil {
		_ = unix.Close(fd)
		return
	}
	a := &bridge.Arrival{FD: fd, First: slices.Clone(p.Bytes), Peer: peer, Answers: in.gated.answers}
	if p.Proxied != nil && p.Proxied.Known {
		a.Remote, a.Local = tcpAddr(p.Proxied.From), tcpAddr(p.Proxied.To)
	}
	in.greet(a, in.gated.certificates.Config(p.Listen))
}

func tcpAddr(a netip.AddrPort) net.Addr { return net.TCPAddrFromAddrPort(a) }
