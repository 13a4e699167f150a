package pool

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// ringWriter is the worker's end of a ring, as wsgid/ring.py has it.
type ringWriter struct {
	shared  []byte
	written uint64
}

func newRingWriter() *ringWriter {
	return &ringWriter{shared: make([]byte, wsgi.RingData+wsgi.RingSize)}
}

func (w *ringWriter) word(i int) []byte { return w.shared[wsgi.RingState+i:][:8] }

func (w *ringWriter) say(written uint64) { binary.LittleEndian.PutUint64(w.word(0), written) }

// put writes a message if there is room.
func (w *ringWriter) put(msg []byte) bool {
	at, size := w.written%wsgi.RingSize, uint64(len(msg))
	next := (w.written + size + 15) &^ 7
	round := at+8+size > wsgi.RingSize
	if round {
		next += wsgi.RingSize - at
	}
	if next-binary.LittleEndian.Uint64(w.word(64)) > wsgi.RingSize {
		return false
	}
	data := w.shared[wsgi.RingData:]
	if round {
		binary.LittleEndian.PutUint64(data[at:], 0)
		at = 0
	}
	binary.LittleEndian.PutUint64(data[at:], size)
	copy(data[at+8:], msg)
	w.written = next
	w.say(next)
	return true
}

// answerOf is a message of a request, with n bytes of body.
func answerOf(seq uint32, n int) []byte {
	return append(wsgi.AppendHeader(nil, wsgi.MsgHead, wsgi.FlagEnd, seq), bytes.Repeat([]byte{byte(seq)}, n)...)
}

// Messages of any length come in their order, around the end many times.
func TestRing(t *testing.T) {
	w := newRingWriter()
	r := newRing(w.shared)
	sent, got, size := uint32(0), uint32(0), 0
	for round := range 10000 {
		for range round % 7 {
			size = (size*31 + 17) % 5000
			if w.put(answerOf(sent, size)) {
				sent++
			}
		}
		if msg, err := r.next(sent); msg != nil || err != nil {
			t.Fatalf("a message that was not written: %q, %v", msg, err)
		}
		for got < sent && (round%3 > 0 || sent-got > 3) {
			msg, err := r.next(got)
			if err != nil || !bytes.Equal(msg, answerOf(got, len(msg)-wsgi.HeaderSize)) {
				t.Fatalf("message %d: %.40q, %v", got, msg, err)
			}
			got++
		}
	}
	if got < 10000 {
		t.Errorf("only %d messages went through", got)
	}
}

// Whatever a worker writes there, the master says what is wrong and lives.
func TestRingRubbish(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(w *ringWriter)
		want string // error; empty: there is nothing to read
	}{
		{"nothing", func(*ringWriter) {}, ""},
		{"of another request", func(w *ringWriter) { w.put(answerOf(7, 5)) }, ""},
		{"more than there is room for", func(w *ringWriter) { w.say(wsgi.RingSize + 8) }, "32776 bytes in a ring of 32768"},
		{"less than was read", func(w *ringWriter) { w.say(1<<64 - 8) }, "18446744073709551608 bytes in a ring of 32768"},
		{"not whole words", func(w *ringWriter) { w.say(12) }, "12 bytes in a ring of 32768"},
		{"no length", func(w *ringWriter) { w.say(16) }, "a ring that continues past what was written"},
		{"nothing but a jump", func(w *ringWriter) { w.say(wsgi.RingSize) }, ""},
		{"longer than what was written", func(w *ringWriter) {
			w.put(answerOf(1, 5))
			binary.LittleEndian.PutUint64(w.shared[wsgi.RingData:], 17)
		}, "a message of 17 bytes in a ring"},
		{"longer than anything", func(w *ringWriter) {
			w.put(answerOf(1, 5))
			binary.LittleEndian.PutUint64(w.shared[wsgi.RingData:], 1<<64-1)
		}, "a message of 18446744073709551615 bytes in a ring"},
		{"shorter than a header", func(w *ringWriter) {
			w.put(answerOf(1, 5))
			binary.LittleEndian.PutUint64(w.shared[wsgi.RingData:], 7)
		}, "a message of 7 bytes in a ring"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newRingWriter()
			r := newRing(w.shared)
			tt.do(w)
			msg, err := r.next(1)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if msg != nil || got != tt.want {
				t.Errorf("got %q, %v, want %q", msg, err, tt.want)
			}
		})
	}
}

func FuzzRing(f *testing.F) {
	f.Add(uint64(24), []byte("\x0d\x00\x00\x00\x00\x00\x00\x00h\x01\x00\x00\x01\x00\x00\x00hello"))
	f.Add(uint64(wsgi.RingSize), []byte{})
	f.Fuzz(func(_ *testing.T, written uint64, data []byte) {
		w := newRingWriter()
		r := newRing(w.shared)
		w.say(written)
		copy(w.shared[wsgi.RingData:], data)
		for range 10 {
			if msg, err := r.next(1); msg == nil || err != nil {
				return
			}
		}
	})
}
