package wsgi

import "strings"

// A known header has a fixed environ key, which Python may intern; see
// tShortInterned for why others have not.
type knownHeader struct {
	name string // in lower case
	key  string // the marshal form of the environ key; empty: it makes no entry of its own
}

// Identities of the headers that are treated apart; the rest of knownHeaders
// follows in any order.
const (
	idUnknown = iota
	idHost
	idContentLength
	idContentType
	idTransferEncoding
	idProxy
	idCookie
	idForwarded
	idForwardedFor
	idForwardedProto
	idForwardedHost
	idForwardedPort
	idForwardedPrefix
)

var knownHeaders = []knownHeader{
	idUnknown:          {},
	idHost:             {name: "host"},
	idContentLength:    {name: "content-length"},
	idContentType:      {name: "content-type", key: "Z\x0cCONTENT_TYPE"},
	idTransferEncoding: {name: "transfer-encoding"},
	idProxy:            {name: "proxy"},
	idCookie:           known("cookie"),
	idForwarded:        known("forwarded"),
	idForwardedFor:     known("x-forwarded-for"),
	idForwardedProto:   known("x-forwarded-proto"),
	idForwardedHost:    known("x-forwarded-host"),
	idForwardedPort:    known("x-forwarded-port"),
	idForwardedPrefix:  known("x-forwarded-prefix"),
	13:                 known("accept"),
	14:                 known("accept-charset"),
	15:                 known("accept-encoding"),
	16:                 known("accept-language"),
	17:                 known("authorization"),
	18:                 known("cache-control"),
	19:                 known("connection"),
	20:                 known("dnt"),
	21:                 known("expect"),
	22:                 known("from"),
	23:                 known("if-match"),
	24:                 known("if-modified-since"),
	25:                 known("if-none-match"),
	26:                 known("if-range"),
	27:                 known("if-unmodified-since"),
	28:                 known("keep-alive"),
	29:                 known("max-forwards"),
	30:                 known("origin"),
	31:                 known("pragma"),
	32:                 known("proxy-authorization"),
	33:                 known("range"),
	34:                 known("referer"),
	35:                 known("sec-ch-ua"),
	36:                 known("sec-ch-ua-mobile"),
	37:                 known("sec-ch-ua-platform"),
	38:                 known("sec-fetch-dest"),
	39:                 known("sec-fetch-mode"),
	40:                 known("sec-fetch-site"),
	41:                 known("sec-fetch-user"),
	42:                 known("te"),
	43:                 known("trailer"),
	44:                 known("upgrade"),
	45:                 known("upgrade-insecure-requests"),
	46:                 known("user-agent"),
	47:                 known("via"),
	48:                 known("warning"),
	49:                 known("x-csrftoken"),
	50:                 known("x-real-ip"),
	51:                 known("x-request-id"),
	52:                 known("x-requested-with"),
	53:                 known("priority"),
	54:                 known("traceparent"),
	55:                 known("x-forwarded-server"),
}

func known(name string) knownHeader {
	key := "HTTP_" + strings.ReplaceAll(strings.ToUpper(name), "-", "_")
	return knownHeader{name: name, key: string(byte(tShortInterned)) + string(byte(len(key))) + key}
}

// knownTable is a hash table with open addressing over knownHeaders.
var knownTable = makeKnownTable()

const knownTableSize = 256

func makeKnownTable() (t [knownTableSize]uint8) {
	for id := 1; id < len(knownHeaders); id++ {
		h := hashName([]byte(knownHeaders[id].name))
		for t[h%knownTableSize] != 0 {
			h++
		}
		t[h%knownTableSize] = uint8(id)
	}
	return t
}

// hashName mixes length and three bytes of a header's name, whatever its case.
func hashName(name []byte) uint32 {
	n := len(name)
	return uint32(n)*37 ^ uint32(name[0]|0x20)*5 ^ uint32(name[n-1]|0x20)*23 ^ uint32(name[n/2]|0x20)*11
}

// lookupHeader returns the identity of a header, idUnknown for any other. The
// name is not empty.
func lookupHeader(name []byte) (id int, hash uint32) {
	hash = hashName(name)
	for h := hash % knownTableSize; ; h = (h + 1) % knownTableSize {
		id := int(knownTable[h])
		if id == idUnknown {
			return idUnknown, hash
		}
		if EqualFold(name, knownHeaders[id].name) {
			return id, hash
		}
	}
}

// EqualFold compares a name with one in lower case, ASCII only.
func EqualFold(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// equalNames compares two names, whatever their case.
func equalNames(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if environChar[a[i]] != environChar[b[i]] {
			return false
		}
	}
	return true
}

// environChar is the form of a byte of a header's name in an environ key; 0
// for bytes that no name holds (RFC 9110, section 5.6.2) and for the
// underscore: a name with one would be taken for the name with a hyphen.
var environChar = func() (t [256]byte) {
	for _, c := range "!#$%&'*+.^`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		t[c] = byte(c)
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c] = byte(c) - 'a' + 'A'
	}
	t['-'] = '_'
	return t
}()
