package wsgi

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// MaxEnviron is the length in bytes past which an environ fits into no
// message; a request with more is answered 431.
const MaxEnviron = MaxMessage - HeaderSize - 4

// AppendHeader appends the 8 bytes that open a message.
func AppendHeader(dst []byte, typ, flags byte, seq uint32) []byte {
	return append(dst, typ, flags, 0, 0, byte(seq), byte(seq>>8), byte(seq>>16), byte(seq>>24))
}

// SetSeq changes the sequence number of a message that was encoded before its
// slot was known. It does nothing to a message that has no whole header.
func SetSeq(msg []byte, seq uint32) {
	if len(msg) >= HeaderSize {
		binary.LittleEndian.PutUint32(msg[4:], seq)
	}
}

// SetFlags changes the flags of an encoded message.
func SetFlags(msg []byte, flags byte) {
	if len(msg) >= HeaderSize {
		msg[1] = flags
	}
}

// AppendRequest appends a MsgRequest message up to and with its environ; body
// bytes are appended after it, or FlagBodyFile is set and the body follows as
// a descriptor. EnvironLen tells how long the environ became.
func AppendRequest(dst []byte, flags byte, seq uint32, r *Request, p *Peer, extra ...Entry) []byte {
	dst = AppendHeader(dst, MsgRequest, flags, seq)
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = AppendEnviron(dst, r, p, extra...)
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// EnvironLen returns the length of the environ of an encoded MsgRequest.
func EnvironLen(msg []byte) int {
	if len(msg) < HeaderSize+4 {
		return 0
	}
	return int(binary.LittleEndian.Uint32(msg[HeaderSize:]))
}

// IsBare tells whether a MsgRequest message is complete without a body.
func IsBare(msg []byte) bool {
	return len(msg) == HeaderSize+4+EnvironLen(msg) && msg[0] == MsgRequest && msg[1] == 0
}

// AppendRequests appends one MsgRequests message that holds the requests of
// several MsgRequest messages, which must be bare. They are served in this order.
func AppendRequests(dst []byte, msgs [][]byte) []byte {
	at := len(dst)
	dst = AppendHeader(dst, MsgRequests, 0, binary.LittleEndian.Uint32(msgs[0][4:]))
	dst = append(dst, 0, 0, 0, 0)
	dst = appendSize(dst, tList, 2*len(msgs))
	// The host takes them from the end.
	for _, msg := range slices.Backward(msgs) {
		dst = append(dst, msg[HeaderSize+4:]...)
		dst = appendInt(dst, int64(binary.LittleEndian.Uint32(msg[4:])))
	}
	binary.LittleEndian.PutUint32(dst[at+HeaderSize:], uint32(len(dst)-at-HeaderSize-4))
	return dst
}

// Requests tells of a message to a worker how many requests it holds, and the
// first one's sequence number.
func Requests(msg []byte) (seq uint32, n int) {
	const size = HeaderSize + 4 + 1 // where the length of the list is
	switch {
	case len(msg) < HeaderSize:
		return 0, 0
	case msg[0] == MsgRequest:
		n = 1
	case msg[0] == MsgRequests && len(msg) >= size+4:
		n = int(binary.LittleEndian.Uint32(msg[size:]) / 2)
	}
	return binary.LittleEndian.Uint32(msg[4:]), n
}

// ParseMessage splits a message of a worker. A message that is too short, or
// whose type no worker sends, is an error; the payload points into b.
func ParseMessage(b []byte) (typ, flags byte, seq uint32, payload []byte, err error) {
	if len(b) < HeaderSize {
		return 0, 0, 0, nil, fmt.Errorf("cannot read worker message: %d bytes are less than its header", len(b))
	}
	typ, flags, seq = b[0], b[1], binary.LittleEndian.Uint32(b[4:])
	switch typ {
	case MsgReady, MsgFailed, MsgHead, MsgData, MsgFile, MsgEnd, MsgAbort, MsgFork, MsgExited, MsgNudge, MsgWanted:
	default:
		return 0, 0, 0, nil, fmt.Errorf("cannot read worker message: unknown type %q", typ)
	}
	if flags&^FlagEnd != 0 || b[2] != 0 || b[3] != 0 {
		return 0, 0, 0, nil, fmt.Errorf("cannot read worker message: type %q has header % x", typ, b[:HeaderSize])
	}
	return typ, flags, seq, b[HeaderSize:], nil
}

// ParseFile reads the payload of MsgFile: which part of the file is body, in
// bytes.
func ParseFile(payload []byte) (offset, length int64, err error) {
	if len(payload) != 16 {
		return 0, 0, fmt.Errorf("cannot read file message: %d bytes where 16 are expected", len(payload))
	}
	o, l := binary.LittleEndian.Uint64(payload), binary.LittleEndian.Uint64(payload[8:])
	if o > math.MaxInt64 || l > math.MaxInt64 || o+l > math.MaxInt64 {
		return 0, 0, fmt.Errorf("cannot read file message: offset %d, length %d are out of range", o, l)
	}
	return int64(o), int64(l), nil
}
