package wsgi

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
)

// origin is what a trusted proxy told of the client.
type origin struct {
	addr, port string
	https      bool
	host       []byte // nil: the Host header holds
	serverPort string
	told       bool   // the scheme was told: serverPort is that of the scheme
	prefix     []byte // percent-encoded; nil: none is told
}

// Believed is a set of headers that are believed of a trusted proxy. A proxy
// passes on what its client sends of those that it does not write itself.
type Believed uint8

// The headers.
const (
	BelieveFor Believed = 1 << iota
	BelieveProto
	BelieveHost // also the host of Forwarded
	BelievePort
	BelievePrefix
	BelieveForwarded

	BelievedByDefault = BelieveFor | BelieveProto | BelieveForwarded
)

// BelievedHeaders makes the set of request.trusted_headers.
func BelievedHeaders(names []string) (b Believed) {
	for _, name := range names {
		switch strings.ToLower(name) {
		case "x-forwarded-for":
			b |= BelieveFor
		case "x-forwarded-proto":
			b |= BelieveProto
		case "x-forwarded-host":
			b |= BelieveHost
		case "x-forwarded-port":
			b |= BelievePort
		case "x-forwarded-prefix":
			b |= BelievePrefix
		case "forwarded":
			b |= BelieveForwarded
		}
	}
	return b
}

func (o *origin) appendConnection(dst []byte, p *Peer) []byte {
	return appendConnection(dst, p.Software, o.addr, o.port, o.https)
}

// forwarded reads what the proxies tell, as far as they are believed; nil where
// they tell nothing. The
// X-Forwarded headers win over Forwarded (RFC 7239), because proxies that
// write only the former pass a client's Forwarded through.
//
// The client is found from the right: as long as an address is a trusted
// proxy's, the one before it is believed. An entry that is not an address ends the
// walk.
func forwarded(r *Request, p *Peer) *origin {
	believed := BelievedByDefault
	if p.Believed != nil {
		believed = p.Believed()
	}
	list := func(header Believed, id int) []string {
		if believed&header == 0 {
			return nil
		}
		return listOf(r, id)
	}
	xfor, xproto := list(BelieveFor, idForwardedFor), list(BelieveProto, idForwardedProto)
	xhost, xport := list(BelieveHost, idForwardedHost), list(BelievePort, idForwardedPort)
	xprefix := list(BelievePrefix, idForwardedPrefix)
	if len(xfor)+len(xproto)+len(xhost)+len(xport)+len(xprefix) > 0 {
		o := &origin{addr: p.RemoteAddr, port: p.RemotePort, https: p.HTTPS, serverPort: p.ServerPort}
		at := o.walk(p, len(xfor), func(i int) string { return xfor[i] })
		o.setProto(pick(xproto, at, len(xfor)))
		o.setHost(pick(xhost, at, len(xfor)))
		o.portOfHost(r.Host)
		o.setPort(pick(xport, at, len(xfor)))
		o.setPrefix(pick(xprefix, at, len(xfor)))
		return o
	}
	entries := list(BelieveForwarded, idForwarded)
	if len(entries) == 0 {
		return nil
	}
	o := &origin{addr: p.RemoteAddr, port: p.RemotePort, https: p.HTTPS, serverPort: p.ServerPort}
	elements := make([]element, len(entries))
	for i, e := range entries {
		elements[i] = parseElement(e)
	}
	at := o.walk(p, len(elements), func(i int) string { return elements[i].forAddr })
	if at < 0 {
		at = len(elements) - 1
	}
	o.setProto(elements[at].proto)
	if believed&BelieveHost != 0 {
		o.setHost(elements[at].host)
	}
	o.portOfHost(r.Host)
	return o
}

// walk goes through n addresses from the right and takes over the client's. It
// returns the index of that entry, -1 for none.
func (o *origin) walk(p *Peer, n int, entry func(int) string) int {
	at := -1
	for i := n - 1; i >= 0; i-- {
		addr, port, ok := parseNode(entry(i))
		if !ok {
			break
		}
		o.addr, o.port, at = addr, port, i
		if !p.Trusted(addr) {
			break
		}
	}
	return at
}

// pick chooses the value that belongs to the client's entry: the one at the
// same place where the lists are equally long, else the last, which the
// nearest proxy wrote.
func pick(list []string, at, n int) string {
	switch {
	case len(list) == 0:
		return ""
	case len(list) == n && at >= 0:
		return list[at]
	}
	return list[len(list)-1]
}

// setProto also sets the port to the scheme's own: the one we listen on is the
// proxy's business.
func (o *origin) setProto(proto string) {
	switch strings.ToLower(proto) {
	case "https":
		o.https, o.serverPort, o.told = true, "443", true
	case "http":
		o.https, o.serverPort, o.told = false, "80", true
	}
}

// portOfHost: a proxy that tells the scheme and passes the client's own Host on
// may itself listen on another port than the scheme's.
func (o *origin) portOfHost(host []byte) {
	if _, port := splitHostPort(host); o.told && o.host == nil && len(port) > 0 {
		o.serverPort = string(port)
	}
}

func (o *origin) setHost(host string) {
	if !ValidHost([]byte(host)) {
		return
	}
	o.host = []byte(host)
	if _, port := splitHostPort(o.host); len(port) > 0 {
		o.serverPort = string(port)
	}
}

func (o *origin) setPort(port string) {
	if port == "" || len(port) > 5 {
		return
	}
	for i := range len(port) {
		if port[i] < '0' || port[i] > '9' {
			return
		}
	}
	o.serverPort = port
}

// setPrefix takes a path below which the proxy has the app. "//host" would send
// an app's redirects elsewhere.
func (o *origin) setPrefix(prefix string) {
	prefix = strings.TrimRight(prefix, "/")
	if prefix == "" || prefix[0] != '/' || strings.HasPrefix(prefix, "//") || strings.ContainsAny(prefix, "?#\\") {
		return
	}
	for i := range len(prefix) {
		if prefix[i] <= ' ' || prefix[i] == 0x7f {
			return
		}
	}
	o.prefix = []byte(prefix)
}

// listOf returns the elements of a list header, over all its lines, without
// white space. A comma in a quoted string does not part elements.
func listOf(r *Request, id int) []string {
	var list []string
	for i := range r.Headers {
		h := &r.Headers[i]
		if len(h.Name) == 0 {
			continue
		}
		if got, _ := lookupHeader(h.Name); got != id {
			continue
		}
		for rest := h.Value; len(rest) > 0; {
			var part []byte
			part, rest = cutUnquoted(rest, ',')
			if part = bytes.Trim(part, " \t"); len(part) > 0 {
				list = append(list, string(part))
			}
		}
	}
	return list
}

// cutUnquoted cuts at the first separator outside a quoted string.
func cutUnquoted(b []byte, sep byte) (part, rest []byte) {
	quoted := false
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '"':
			quoted = !quoted
		case b[i] == '\\' && quoted:
			i++
		case b[i] == sep && !quoted:
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}

// element is one forwarded-element of RFC 7239.
type element struct{ forAddr, proto, host string }

func parseElement(s string) (e element) {
	for rest := []byte(s); len(rest) > 0; {
		var pair []byte
		pair, rest = cutUnquoted(rest, ';')
		name, value, _ := bytes.Cut(bytes.Trim(pair, " \t"), []byte("="))
		switch v := unquote(value); strings.ToLower(string(name)) {
		case "for":
			e.forAddr = v
		case "proto":
			e.proto = v
		case "host":
			e.host = v
		}
	}
	return e
}

func unquote(b []byte) string {
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return string(b)
	}
	out := make([]byte, 0, len(b))
	for b = b[1 : len(b)-1]; len(b) > 0; b = b[1:] {
		if b[0] == '\\' && len(b) > 1 {
			b = b[1:]
		}
		out = append(out, b[0])
	}
	return string(out)
}

// parseNode reads an address with or without port. The port is "0" where none
// is given: REMOTE_PORT must not be the proxy's.
func parseNode(s string) (addr, port string, ok bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap().WithZone("").String(), "0", true
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("").String(), strconv.Itoa(int(ap.Port())), true
	}
	return "", "", false
}
