package wsgi

import "bytes"

// splitHostPort cuts a Host at the colon before its port. The brackets of an
// IPv6 address stay, as CGI wants them (RFC 3875, section 4.1.14).
func splitHostPort(host []byte) (name, port []byte) {
	i := bytes.LastIndexByte(host, ':')
	if i < 0 || bytes.IndexByte(host[i:], ']') >= 0 {
		return host, nil
	}
	return host[:i], host[i+1:]
}

// ValidHost tells whether b is a host with or without port, as the Host header
// and X-Forwarded-Host carry it: a registered name or an IP address (RFC 3986,
// section 3.2.2), then, after a colon, at most five digits. Empty is not valid.
func ValidHost(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	i := 0
	if b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 3 {
			return false
		}
		for _, c := range b[1:end] {
			if !ipv6Char(c) {
				return false
			}
		}
		i = end + 1
	} else {
		for i < len(b) && hostChar[b[i]] {
			i++
		}
		if i == 0 {
			return false
		}
	}
	if i == len(b) {
		return true
	}
	if b[i] != ':' || len(b)-i-1 > 5 {
		return false
	}
	for _, c := range b[i+1:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// ipv6Char: an address, or a zone after "%".
func ipv6Char(c byte) bool {
	return c == ':' || hostChar[c]
}

// hostChar: unreserved, sub-delims and the percent sign.
var hostChar = func() (t [256]bool) {
	for _, c := range "-._~!$&'()*+,;=%0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		t[c] = true
	}
	return t
}()
