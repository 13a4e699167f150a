package link

import "sync"

// message is one message to mongrel2 in the making: the address, then payload.
type message struct {
	b    []byte
	head int // length of the address
}

var messages = sync.Pool{New: func() any { return &message{b: make([]byte, 0, 2048)} }}

// maxPooled is the capacity in bytes past which a buffer is not kept.
const maxPooled = 64 << 10

func newMessage(addr []byte) *message {
	m := messages.Get().(*message)
	m.b = append(m.b[:0], addr...)
	m.head = len(m.b)
	return m
}

func (m *message) free() {
	if cap(m.b) <= maxPooled {
		messages.Put(m)
	}
}

func (m *message) payload() []byte { return m.b[m.head:] }
func (m *message) size() int       { return len(m.b) - m.head }
