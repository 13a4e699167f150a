package gate

import (
	"encoding/binary"
	"net/netip"
)

// A link carries one message for each connection that is passed, with its descriptor,
// and one for any number that have come: SOCK_SEQPACKET keeps them apart.
const (
	kindPassed = 'P'
	kindTaken  = 'T' // all up to this one
)

// MaxBytes is how much that was read of a connection can be passed with it.
const MaxBytes = 128 << 10

// maxMessage bounds a message: a host is at most a line of a head.
const maxMessage = MaxBytes + 20<<10

// Passed is a connection on its way from a gate to a master or back.
type Passed struct {
	Host    []byte   // by which it found its way, as the client has written it
	Listen  string   // the listener of the gate that it came to
	TLS     bool     // Bytes begin with a ClientHello, and Host is its name
	Proxied *Proxied // nil: no proxy has said whose it is
	Bytes   []byte   // that it begins with
	// Unread is how many bytes are still in the connection, the last of them those of
	// Bytes: who takes it over reads them away. 0: Bytes were read from it, or there may be
	// more than was looked at.
	Unread int
	// Left tells that Bytes do not come along: they are in the connection, behind the first
	// Skip of those that are unread, and who takes it over reads them.
	Left bool
	Skip int
	// Client is the end of the connection that is the client's; not valid: nobody has looked.
	Client netip.AddrPort
	// Rescued tells that the connection comes from a gate that was killed: somebody
	// may have taken it over already.
	Rescued bool
}

const (
	flagProxied = 1 << iota
	flagRescued
	flagTLS
	flagClient // in a batch alone

	flagsKnown = flagProxied | flagRescued | flagTLS
)

func (p *Passed) flags() (flags byte) {
	if p.Proxied != nil && p.Proxied.Known {
		flags |= flagProxied
	}
	if p.Rescued {
		flags |= flagRescued
	}
	if p.TLS {
		flags |= flagTLS
	}
	return flags
}

func (p *Passed) append(dst []byte, id uint64) []byte {
	dst = append(dst, kindPassed)
	dst = binary.LittleEndian.AppendUint64(dst, id)
	dst = append(dst, p.flags())
	dst = binary.LittleEndian.AppendUint32(dst, uint32(p.Unread))
	return append(p.appendNames(dst), p.Bytes...)
}

// appendNames adds what is said of the connection beyond numbers.
func (p *Passed) appendNames(dst []byte) []byte {
	if p.Proxied != nil && p.Proxied.Known {
		dst = appendAddress(appendAddress(dst, p.Proxied.From), p.Proxied.To)
	}
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(p.Listen)))
	dst = append(dst, p.Listen...)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(p.Host)))
	return append(dst, p.Host...)
}

// sizeOfAddress is how long an address is in a message.
const sizeOfAddress = 16 + 2

func appendAddress(dst []byte, a netip.AddrPort) []byte {
	b := a.Addr().As16()
	return binary.LittleEndian.AppendUint16(append(dst, b[:]...), a.Port())
}

func readAddress(b []byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b)).Unmap(), binary.LittleEndian.Uint16(b[16:]))
}

// Rescue is the message by which a guard passes a connection of a gate that was killed:
// where its number is, bytes 1 to 8, are zeros.
func Rescue() []byte { return (&Passed{Rescued: true}).append(nil, 0) }

// parsePassed reads a message; its slices are those of the message.
func parsePassed(b []byte) (p Passed, id uint64, ok bool) {
	const head = 1 + 8 + 1 + 4
	if len(b) < head || b[0] != kindPassed {
		return p, 0, false
	}
	id = binary.LittleEndian.Uint64(b[1:])
	flags := b[9]
	if flags&^flagsKnown != 0 {
		return p, 0, false
	}
	p.TLS, p.Rescued, p.Unread = flags&flagTLS != 0, flags&flagRescued != 0, int(binary.LittleEndian.Uint32(b[10:]))
	if p.Unread > MaxBytes {
		return p, 0, false
	}
	p.Bytes, ok = p.readNames(flags, b[head:], nil)
	return p, id, ok
}

// readNames reads what appendNames has written. known, if any, is how a listener was called
// before, which most often is the same.
func (p *Passed) readNames(flags byte, b []byte, known *string) (rest []byte, ok bool) {
	if flags&flagProxied != 0 {
		if len(b) < 2*sizeOfAddress {
			return nil, false
		}
		p.Proxied = &Proxied{Known: true, From: readAddress(b), To: readAddress(b[sizeOfAddress:])}
		b = b[2*sizeOfAddress:]
	}
	listen, b, ok := cutText(b)
	if !ok {
		return nil, false
	}
	if known == nil {
		known = new(string)
	}
	if string(listen) != *known {
		*known = string(listen)
	}
	p.Listen = *known
	p.Host, rest, ok = cutText(b)
	return rest, ok
}

// cutText takes a text and its length off.
func cutText(b []byte) (text, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.LittleEndian.Uint16(b))
	if len(b) < 2+n {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}
