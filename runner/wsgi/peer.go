package wsgi

// trusted tells whether the connection comes from a trusted proxy. It asks
// each time: the list may change while a connection lives.
func (p *Peer) trusted() bool { return p.Trusted != nil && p.Trusted(p.RemoteAddr) }

// appendConnection writes the entries that are the same for all requests of
// the connection. From the second request on they are copied.
func (p *Peer) appendConnection(dst []byte) []byte {
	if p.cached != nil {
		return append(dst, p.cached...)
	}
	at := len(dst)
	dst = appendConnection(dst, p.Software, p.RemoteAddr, p.RemotePort, p.HTTPS)
	if p.used {
		p.cached = append([]byte(nil), dst[at:]...)
	}
	p.used = true
	return dst
}

func appendConnection(dst []byte, software, addr, port string, https bool) []byte {
	if software == "" {
		software = "wsgid"
	}
	dst = append(dst, "Z\x0fSERVER_SOFTWARE"...)
	dst = appendString(dst, software)
	dst = append(dst, "Z\x0bREMOTE_ADDR"...)
	dst = appendString(dst, addr)
	if port != "" {
		dst = append(dst, "Z\x0bREMOTE_PORT"...)
		dst = appendString(dst, port)
	}
	if https {
		return append(dst, "Z\x0fwsgi.url_schemez\x05httpsZ\x05HTTPSz\x02on"...)
	}
	return append(dst, "Z\x0fwsgi.url_schemez\x04http"...)
}
