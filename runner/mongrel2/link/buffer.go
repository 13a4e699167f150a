package link

import (
	"sync"

	"golang.org/x/sys/unix"
)

// message is one message to mongrel2 in the making: the address, then payload.
type message struct {
	b    []byte
	head int // length of the address

	region []byte // memory of its own that b began in; nil: it is of the heap
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

// reserve makes room for n bytes more. A long message has memory of its own, which
// the garbage collector has no part in.
func (m *message) reserve(n int) {
	need := len(m.b) + n
	if need <= cap(m.b) {
		return
	}
	if need <= maxPooled {
		m.b = append(make([]byte, 0, need), m.b...)
		return
	}
	b, err := unix.Mmap(-1, 0, need, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		m.b = append(make([]byte, 0, need), m.b...)
		return
	}
	copy(b, m.b)
	m.unmap()
	m.b, m.region = b[:len(m.b)], b
}

func (m *message) unmap() {
	if m.region != nil {
		_ = unix.Munmap(m.region)
		m.region = nil
	}
}

func (m *message) free() {
	if m.region != nil {
		m.unmap()
		m.b = nil
		return
	}
	if cap(m.b) <= maxPooled {
		messages.Put(m)
	}
}

func (m *message) payload() []byte { return m.b[m.head:] }
func (m *message) size() int       { return len(m.b) - m.head }
