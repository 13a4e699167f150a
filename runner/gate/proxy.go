package gate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
)

// The two forms of the PROXY protocol (haproxy's doc/proxy-protocol.txt).

const (
	maxProxy1 = 107 // bytes of a line of version 1, CR LF included
	proxy2    = "\r\n\r\n\x00\r\nQUIT\n"
	maxProxy2 = 16 + 4096 // more than this is refused: addresses take 36 bytes, the rest is TLVs
)

// Proxied is what a proxy says of the connection that it passes on.
type Proxied struct {
	// Known tells that it names the client. It does not for its own health checks and
	// for clients that have no address, as those of a unix socket: then the connection
	// is the proxy's own, though a request may well follow.
	Known bool
	From  netip.AddrPort
	To    netip.AddrPort // where the client has connected to
}

var (
	errProxyMissing = errors.New("it comes from a source of proxy_protocol and does not begin with a PROXY header")
	errProxyForm    = errors.New("its PROXY header is not well formed")
)

// readProxy reads the PROXY header at the start of b and tells its length; 0 without
// an error asks for more bytes.
func readProxy(b []byte) (p Proxied, n int, err error) {
	const v1 = "PROXY "
	switch {
	case startsLike(b, proxy2):
		if len(b) < 16 {
			return p, 0, nil
		}
		return readProxy2(b)
	case startsLike(b, v1):
		if len(b) < len(v1) {
			return p, 0, nil
		}
		end := bytes.IndexByte(b[:min(len(b), maxProxy1)], '\n')
		if end < 0 {
			if len(b) >= maxProxy1 {
				return p, 0, errProxyForm
			}
			return p, 0, nil
		}
		if b[end-1] != '\r' {
			return p, 0, errProxyForm
		}
		p, err = readProxy1(b[len(v1) : end-1])
		return p, end + 1, err
	}
	return p, 0, errProxyMissing
}

// startsLike tells whether b, as far as it goes, begins as text does.
func startsLike(b []byte, text string) bool {
	n := min(len(b), len(text))
	return n > 0 && string(b[:n]) == text[:n]
}

// readProxy1 reads what stands between PROXY and the end of the line.
func readProxy1(line []byte) (p Proxied, err error) {
	words := bytes.Split(line, []byte{' '})
	switch string(words[0]) {
	case "UNKNOWN":
		return p, nil // whatever follows is to be ignored
	case "TCP4", "TCP6":
	default:
		return p, errProxyForm
	}
	if len(words) != 5 {
		return p, errProxyForm
	}
	// The families are taken as they come: nginx behind nginx writes those of two
	// connections into one line.
	from, err1 := proxyAddress(words[1], words[3])
	to, err2 := proxyAddress(words[2], words[4])
	if err1 != nil || err2 != nil {
		return p, errProxyForm
	}
	return Proxied{Known: true, From: from, To: to}, nil
}

func proxyAddress(host, port []byte) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(string(host))
	if err != nil || a.Zone() != "" {
		return netip.AddrPort{}, errProxyForm
	}
	if len(port) == 0 || port[0] == '+' || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, errProxyForm
	}
	n, err := strconv.ParseUint(string(port), 10, 16)
	if err != nil {
		return netip.AddrPort{}, errProxyForm
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), nil
}

// readProxy2 reads the binary form; its first 16 bytes are there.
func readProxy2(b []byte) (p Proxied, n int, err error) {
	version, command := b[12]>>4, b[12]&0xf
	n = 16 + int(binary.BigEndian.Uint16(b[14:]))
	if version != 2 || command > 1 || n > maxProxy2 {
		return p, 0, errProxyForm
	}
	if len(b) < n {
		return p, 0, nil
	}
	body := b[16:n]
	size := 0 // of one address
	switch b[13] {
	case 0x11, 0x12:
		size = 4
	case 0x21, 0x22:
		size = 16
	case 0x00, 0x31, 0x32: // not said, or unix sockets
		return p, n, nil
	default:
		// A family or a protocol that is not known says nothing to us.
		return p, n, nil
	}
	if command == 0 {
		return p, n, nil // LOCAL: the addresses, if any stand there, are nobody's
	}
	if len(body) < 2*size+4 {
		return p, 0, errProxyForm
	}
	from, _ := netip.AddrFromSlice(body[:size])
	to, _ := netip.AddrFromSlice(body[size : 2*size])
	ports := body[2*size:]
	if !goodTLVs(ports[4:]) {
		return p, 0, errProxyForm
	}
	return Proxied{Known: true,
		From: netip.AddrPortFrom(from.Unmap(), binary.BigEndian.Uint16(ports)),
		To:   netip.AddrPortFrom(to.Unmap(), binary.BigEndian.Uint16(ports[2:]))}, n, nil
}

// goodTLVs tells whether the rest of a header is a list of type, length and value.
// A length may be 0.
func goodTLVs(b []byte) bool {
	for len(b) > 0 {
		if len(b) < 3 {
			return false
		}
		n := 3 + int(binary.BigEndian.Uint16(b[1:]))
		if n > len(b) {
			return false
		}
		b = b[n:]
	}
	return true
}
