package wsgi

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
)

// Entry is one further item of an environ, written after all others: it wins
// over one of the same key. A value that AppendValue cannot write becomes
// None.
type Entry struct {
	Key   string
	Value any
}

// AppendEnviron appends the environ of a request as a marshal dict, complete
// but for what only the worker can know: it adds wsgi.version, wsgi.input,
// wsgi.errors, wsgi.multithread, wsgi.run_once and wsgi.file_wrapper. Strings are bytes read as latin-1 (PEP 3333, "Unicode
// Issues").
//
//   - PATH_INFO is decoded once, every octet: %2F becomes "/", %00 becomes NUL,
//     and what is no percent-encoding stays as it is. REQUEST_URI and RAW_URI
//     hold the target as it was sent.
//   - The mount point of the spec is SCRIPT_NAME, cut off the path where it
//     stands there: a proxy may have done so. What a trusted proxy tells, and
//     the route of mongrel2, count before it.
//   - A repeated header is joined with ", ", Cookie with "; " (RFC 9110,
//     section 5.3; RFC 6265, section 5.4). Headers with an underscore in the
//     name are dropped, as is Proxy (CVE-2016-5385) and Transfer-Encoding, which
//     was undone.
//   - CONTENT_LENGTH is written where the client sent one, or the length of a
//     chunked body has become known.
//   - HTTP_HOST is r.Host, so that an absolute target wins over the header
//     (RFC 9112, section 3.2.2).
//
// It allocates nothing but room in dst, unless the request comes through a
// trusted proxy. A Peer serves one call at a time.
func AppendEnviron(dst []byte, r *Request, p *Peer, extra ...Entry) []byte {
	dst = append(dst, tDict)
	dst = append(dst, "Z\x0eREQUEST_METHOD"...)
	dst = appendLatin1(dst, r.Method)
	dst = append(dst, "Z\x0fSERVER_PROTOCOL"...)
	dst = appendString(dst, r.Proto)

	var o *origin
	if p.trusted() {
		o = forwarded(r, p)
	}
	script, path := splitPath(r)
	switch {
	case o != nil && o.prefix != nil:
		script = o.prefix // the proxy has cut it off the path
	case len(script) == 0 && p.Mount != nil:
		script, path = p.mounted(path)
	}
	dst = append(dst, "Z\x0bSCRIPT_NAME"...)
	dst = appendDecoded(dst, script)
	dst = append(dst, "Z\x09PATH_INFO"...)
	dst = appendDecoded(dst, path)
	dst = append(dst, "Z\x0cQUERY_STRING"...)
	dst = appendLatin1(dst, r.Query)
	dst = append(dst, "Z\x0bREQUEST_URI"...)
	at := len(dst)
	dst = appendTarget(dst, r)
	end := len(dst)
	dst = append(dst, "Z\x07RAW_URI"...)
	dst = append(dst, dst[at:end]...)

	host := r.Host
	if o == nil {
		dst = p.appendConnection(dst)
		dst = appendServer(dst, host, p.ServerName, p.ServerPort, p.HTTPS)
	} else {
		dst = o.appendConnection(dst, p)
		if o.host != nil {
			host = o.host
		}
		dst = appendServer(dst, host, p.ServerName, o.serverPort, o.https)
	}

	if p.Multiprocess != nil && p.Multiprocess.Load() {
		dst = append(dst, "Z\x11wsgi.multiprocessT"...)
	} else {
		dst = append(dst, "Z\x11wsgi.multiprocessF"...)
	}

	mark := len(dst)
	var simple, sentLength bool
	dst, sentLength, simple = appendHeaders(dst, r, host)
	if !simple {
		dst = appendHeadersJoined(dst[:mark], r, host)
	}
	if r.ContentLength > 0 || r.ContentLength == 0 && (sentLength || r.Chunked) {
		dst = append(dst, "Z\x0eCONTENT_LENGTHz\x00"...)
		at := len(dst)
		dst = strconv.AppendInt(dst, r.ContentLength, 10)
		dst[at-1] = byte(len(dst) - at)
	}
	for i := range extra {
		dst = appendEntry(dst, &extra[i])
	}
	return append(dst, tNull)
}

func appendEntry(dst []byte, e *Entry) []byte {
	dst = appendString(dst, e.Key)
	dst, err := AppendValue(dst, e.Value)
	if err != nil {
		dst = append(dst, tNone)
	}
	return dst
}

// splitPath cuts the mount point off the path, before either is decoded. What
// is not a path ("OPTIONS *") has none: PATH_INFO is empty or begins with "/"
// (wsgiref.validate).
func splitPath(r *Request) (script, path []byte) {
	if len(r.Path) == 0 || r.Path[0] != '/' {
		return nil, nil
	}
	script = bytes.TrimRight(r.ScriptName, "/")
	n := len(script)
	if n == 0 || script[0] != '/' || !bytes.HasPrefix(r.Path, script) || n < len(r.Path) && r.Path[n] != '/' {
		return nil, r.Path
	}
	return script, r.Path[n:]
}

// CutMount cuts a mount point, which has no "/" at its end, off a path.
func CutMount(path []byte, mount string) []byte {
	n := len(mount)
	if len(path) < n || string(path[:n]) != mount || len(path) > n && path[n] != '/' {
		return path
	}
	return path[n:]
}

// mounted is SCRIPT_NAME and PATH_INFO of a path at the mount point of the spec.
func (p *Peer) mounted(path []byte) (_, _ []byte) {
	mount := p.Mount.Load()
	if mount == nil || *mount == "" || len(path) == 0 { // "OPTIONS *" is at none
		return nil, path
	}
	return []byte(*mount), CutMount(path, *mount)
}

// appendTarget writes the request target as the client sent it, as a str.
func appendTarget(dst []byte, r *Request) []byte {
	if r.Query == nil {
		return appendLatin1(dst, r.Path)
	}
	high := countHigh(r.Path) + countHigh(r.Query)
	n := len(r.Path) + 1 + len(r.Query)
	switch {
	case high > 0:
		dst = appendSize(dst, tUnicode, n+high)
		dst = appendLatin1Bytes(dst, r.Path)
		dst = append(dst, '?')
		return appendLatin1Bytes(dst, r.Query)
	case n <= math.MaxUint8:
		dst = append(dst, tShortASCII, byte(n))
	default:
		dst = appendSize(dst, tASCII, n)
	}
	dst = append(dst, r.Path...)
	dst = append(dst, '?')
	return append(dst, r.Query...)
}

// appendDecoded writes a percent-encoded path as a str, decoded once.
func appendDecoded(dst, b []byte) []byte {
	if bytes.IndexByte(b, '%') < 0 {
		return appendLatin1(dst, b)
	}
	at := len(dst)
	dst = appendSize(dst, tUnicode, 0)
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == '%' && i+2 < len(b) {
			hi, lo := HexDigit[b[i+1]], HexDigit[b[i+2]]
			if hi < 16 && lo < 16 {
				c = hi<<4 | lo
				i += 2
			}
		}
		if c < 0x80 {
			dst = append(dst, c)
		} else {
			dst = append(dst, 0xc0|c>>6, 0x80|c&0x3f)
		}
	}
	binary.LittleEndian.PutUint32(dst[at+1:], uint32(len(dst)-at-5))
	return dst
}

// HexDigit is the value of each byte that is a hexadecimal digit, and 255 of all others.
var HexDigit = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i := range byte(10) {
		t['0'+i] = i
	}
	for i := range byte(6) {
		t['a'+i], t['A'+i] = 10+i, 10+i
	}
	return t
}()

// appendServer writes SERVER_NAME and SERVER_PORT, which are never empty
// (PEP 3333, "environ Variables"): the name the client used, else the
// server's; the port of the connection, else the client's, else the scheme's.
func appendServer(dst, host []byte, name, port string, https bool) []byte {
	hostName, hostPort := splitHostPort(host)
	dst = append(dst, "Z\x0bSERVER_NAME"...)
	switch {
	case len(hostName) > 0:
		dst = appendLatin1(dst, hostName)
	case name != "":
		dst = appendString(dst, name)
	default:
		dst = append(dst, "z\x09localhost"...)
	}
	dst = append(dst, "Z\x0bSERVER_PORT"...)
	switch {
	case port != "":
		return appendString(dst, port)
	case len(hostPort) > 0:
		return appendLatin1(dst, hostPort)
	case https:
		return append(dst, "z\x03443"...)
	}
	return append(dst, "z\x0280"...)
}

// appendHost writes HTTP_HOST.
func appendHost(dst, host []byte) []byte {
	dst = append(dst, "Z\x09HTTP_HOST"...)
	return appendLatin1(dst, host)
}

// appendHeaders writes the headers of a request in which none is repeated, as
// nearly all are. Where it finds one, or cannot tell, simple is false and what
// it wrote is void.
func appendHeaders(dst []byte, r *Request, host []byte) (_ []byte, sentLength, simple bool) {
	var seen, seenUnknown uint64
	sawHost := false
	for i := range r.Headers {
		h := &r.Headers[i]
		if len(h.Name) == 0 {
			continue
		}
		id, hash := lookupHeader(h.Name)
		if id == idUnknown {
			// Two names in one place may be the same or not: leave it to the
			// thorough way.
			bit := uint64(1) << ((hash ^ hash>>6) & 63)
			if seenUnknown&bit != 0 {
				return dst, hasHeader(r, idContentLength), false
			}
			seenUnknown |= bit
			var ok bool
			if dst, ok = appendName(dst, h.Name); ok {
				dst = appendLatin1(dst, h.Value)
			}
			continue
		}
		bit := uint64(1) << id
		switch id {
		case idHost:
			sawHost = true
			continue
		case idContentLength:
			sentLength = true
			continue
		case idTransferEncoding, idProxy:
			continue
		}
		if seen&bit != 0 {
			return dst, hasHeader(r, idContentLength), false
		}
		seen |= bit
		dst = append(dst, knownHeaders[id].key...)
		dst = appendLatin1(dst, h.Value)
	}
	if sawHost || len(host) > 0 {
		dst = appendHost(dst, host)
	}
	return dst, sentLength, true
}

func hasHeader(r *Request, id int) bool { return findHeader(r, id) != nil }

// findHeader returns the first header of an identity.
func findHeader(r *Request, id int) *Header {
	for i := range r.Headers {
		if len(r.Headers[i].Name) == 0 {
			continue
		}
		if got, _ := lookupHeader(r.Headers[i].Name); got == id {
			return &r.Headers[i]
		}
	}
	return nil
}

// appendHeadersJoined writes headers of which some are repeated: each name
// once, at its first place, its values joined.
func appendHeadersJoined(dst []byte, r *Request, host []byte) []byte {
	sawHost := false
next:
	for i := range r.Headers {
		h := &r.Headers[i]
		if len(h.Name) == 0 {
			continue
		}
		id, _ := lookupHeader(h.Name)
		switch id {
		case idHost:
			sawHost = true
			continue
		case idContentLength, idTransferEncoding, idProxy:
			continue
		}
		for j := range i {
			if equalNames(r.Headers[j].Name, h.Name) {
				continue next
			}
		}
		if id != idUnknown {
			dst = append(dst, knownHeaders[id].key...)
		} else {
			var ok bool
			if dst, ok = appendName(dst, h.Name); !ok {
				continue
			}
		}
		dst = appendJoined(dst, r.Headers[i:], id == idCookie)
	}
	if sawHost || len(host) > 0 {
		dst = appendHost(dst, host)
	}
	return dst
}

// appendJoined writes the values of all headers named as the first.
func appendJoined(dst []byte, headers []Header, cookie bool) []byte {
	sep := ", "
	if cookie {
		sep = "; "
	}
	at := len(dst)
	dst = appendSize(dst, tUnicode, 0)
	for i := range headers {
		h := &headers[i]
		if i > 0 {
			if !equalNames(h.Name, headers[0].Name) {
				continue
			}
			dst = append(dst, sep...)
		}
		dst = appendLatin1Bytes(dst, h.Value)
	}
	binary.LittleEndian.PutUint32(dst[at+1:], uint32(len(dst)-at-5))
	return dst
}

// appendName writes the environ key of a header that is not known. It writes
// nothing, and says so, for a name that is dropped.
func appendName(dst, name []byte) ([]byte, bool) {
	at := len(dst)
	n := len(name) + len("HTTP_")
	if n <= math.MaxUint8 {
		dst = append(dst, tShortASCII, byte(n))
	} else {
		dst = appendSize(dst, tASCII, n)
	}
	dst = append(dst, "HTTP_"...)
	for _, c := range name {
		c = environChar[c]
		if c == 0 {
			return dst[:at], false
		}
		dst = append(dst, c)
	}
	return dst, true
}
