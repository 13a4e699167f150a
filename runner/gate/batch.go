package gate

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// Several connections can be passed in one message, to who has said that it takes those: a
// message that no version knows ends the link. It says so by a number that no connection
// has, which one that knows of no batches does not heed.

const (
	kindBatch = 'B'

	// takesBatches is said as the number of a connection that has come.
	takesBatches = uint64(1)<<63 | 1

	// MostTogether is how many connections go in one message.
	MostTogether = evloop.MaxRights
	// batchLength is past what length no further one is put into a message.
	batchLength = 8 << 10
)

// Passing is a connection that is to be passed; What is told to Arrived.
type Passing struct {
	FD int
	Passed
	What any
}

// Greet tells the other side that it may pass several connections in one message.
func (l *Link) Greet() {
	if !l.closed {
		_ = l.taken(takesBatches) // who does not hear it passes them one by one
	}
}

// Together tells that PassTogether may be used.
func (l *Link) Together() bool { return l.together }

// PassTogether passes the first connections of all in one message, and tells how many. Their
// bytes must be unread, and do not come along. Errors are those of Pass.
func (l *Link) PassTogether(all []Passing) (n int, err error) {
	if l.closed {
		return 0, unix.EPIPE
	}
	if l.waiting || l.ending {
		return 0, unix.EAGAIN
	}
	for most := min(len(all), MostTogether); ; most = n / 2 {
		b := append(l.Room.buffer[:0], kindBatch)
		b = binary.LittleEndian.AppendUint64(b, l.last+1)
		var rights [MostTogether]int
		for n = 0; n < most && (n == 0 || len(b) < batchLength); n++ {
			if len(all[n].Host)+len(all[n].Listen) > maxNames {
				if n == 0 {
					return 0, unix.EMSGSIZE
				}
				break
			}
			b = all[n].appendEntry(b)
			rights[n] = all[n].FD
		}
		l.Room.buffer = b
		if err = l.send(b, rights[:n]); !errors.Is(err, unix.EMSGSIZE) || n < 2 {
			break
		}
	}
	if err != nil {
		l.await(err)
		return 0, err
	}
	l.last += uint64(n)
	for i := range all[:n] {
		l.sent = append(l.sent, all[i].What)
	}
	return n, nil
}

// appendEntry adds a connection to a batch.
func (p *Passed) appendEntry(dst []byte) []byte {
	flags := p.flags()
	if p.Client.IsValid() {
		flags |= flagClient
	}
	dst = append(dst, flags)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(p.Unread))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(p.Skip))
	if flags&flagClient != 0 {
		dst = appendAddress(dst, p.Client)
	}
	return p.appendNames(dst)
}

// parseEntry reads one; its Host is part of the message. known is that of readNames.
func parseEntry(b []byte, known *string) (p Passed, rest []byte, ok bool) {
	const head = 1 + 4 + 4
	if len(b) < head {
		return p, nil, false
	}
	flags := b[0]
	if flags&^(flagsKnown|flagClient) != 0 {
		return p, nil, false
	}
	p.TLS, p.Rescued, p.Left = flags&flagTLS != 0, flags&flagRescued != 0, true
	p.Unread, p.Skip = int(binary.LittleEndian.Uint32(b[1:])), int(binary.LittleEndian.Uint32(b[5:]))
	if p.Unread == 0 || p.Unread > maxLook || p.Skip > p.Unread {
		return p, nil, false
	}
	b = b[head:]
	if flags&flagClient != 0 {
		if len(b) < sizeOfAddress {
			return p, nil, false
		}
		p.Client = readAddress(b)
		b = b[sizeOfAddress:]
	}
	rest, ok = p.readNames(flags, b, known)
	return p, rest, ok
}
