package listen

import (
	"context"
	"net"
	"strings"
)

// TCPAddress is what package net is to be asked for, to listen where a spec says.
// 0.0.0.0 is IPv4 alone, [::] IPv6 alone, and * (or no host) all addresses of
// both, where package net takes any of them for both.
func TCPAddress(listen string) (network, address string) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "tcp", listen
	}
	switch ip := net.ParseIP(host); {
	case host == "*":
		return "tcp", ":" + port
	case ip == nil:
		return "tcp", listen // a name, or both families
	case strings.Contains(host, ":") && ip.To4() == nil:
		return "tcp6", listen
	default:
		return "tcp4", listen
	}
}

func listenTCP(listen string) (net.Listener, error) {
	network, address := TCPAddress(listen)
	return (&net.ListenConfig{}).Listen(context.Background(), network, address)
}
