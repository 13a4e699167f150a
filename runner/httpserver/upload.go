package httpserver

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/pool"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// upload is a request's body that goes to the worker as it arrives, through a pipe. It
// is read from the client when the application has begun to read, and no further than
// the pipe takes it: past that the client waits.
type upload struct {
	c       *conn
	x       *pool.Exchange
	read    int    // the worker's end of the pipe; ours to close when the worker has done
	write   int    // -1: closed
	wanted  bool   // the application reads
	full    bool   // the pipe is; the loop watches it
	done    bool   // all of the body is in it
	expect  bool   // the client waits for a 100
	pending []byte // of a chunk, what the pipe has not taken

	late  evloop.Timer
	heard int64 // when the client has sent something last, or was waited for from
	since int64 // since when got counts
	got   int64 // bytes
}

// stream gives a request to the pool whose body is yet to come; false: its body is to
// be read first. n is the length of the head in data.
func (c *conn) stream(r *wsgi.Request, data []byte, n int) bool {
	if size := int64(len(data) - n); !r.Chunked && size >= r.ContentLength && r.ContentLength <= wsgi.MaxInlineBody {
		return false // it is here already
	}
	read, write, ok := c.server.env.Pipe()
	if !ok {
		return false
	}
	x := c.x
	up := &upload{c: c, x: x, read: read, write: write, expect: r.Expect100 && len(data) == n}
	up.late.Do = up.onLate
	c.up, x.Upload = up, up
	c.size, c.chunks = 0, http1.ChunkedReader{}
	left := r.ContentLength
	if r.Chunked {
		r.ContentLength, left = -1, -1
	}
	x.Msg = wsgi.AppendRequest(x.Msg, wsgi.FlagBodyFile|wsgi.FlagBodyStream, 0, r, &c.peer)
	c.submit()
	c.left = left
	return true
}

// uploading tells that more of the request at hand is to come.
func (c *conn) uploading() bool { return c.up != nil && !c.up.done }

// taking tells that it is to be read now.
func (c *conn) taking() bool {
	return c.up != nil && c.up.wanted && !c.up.full && !c.up.done && c.state == connBusy
}

// Ends implements pool.Upload.
func (up *upload) Ends() []int { return []int{up.read} }

// Close implements pool.Upload.
func (up *upload) Close() { _ = unix.Close(up.read) }

// Wanted implements pool.Upload.
func (up *upload) Wanted() {
	c := up.c
	if up.wanted || c.up != up || up.done {
		return
	}
	up.wanted = true
	if up.expect && len(c.in) == 0 && !up.x.HasHead() {
		c.goOn()
	}
	up.await()
	c.pump()
}

// await begins to wait for the client.
func (up *upload) await() {
	s := up.c.server
	up.x.ClientOwes(true)
	up.heard, up.since, up.got = s.loop.Now(), s.loop.Now(), 0
	if d := s.spec.Request.BodyTimeout; d > 0 {
		s.loop.Set(&up.late, d.D())
	}
}

// takeUpload takes what there is of a body, as far as the pipe takes it.
func (c *conn) takeUpload(data []byte) (used int) {
	up := c.up
	up.heard = c.server.loop.Now()
	for used < len(data) && c.up == up && c.taking() {
		some := data[used:]
		if c.left >= 0 {
			n, ok := up.send(some[:min(int64(len(some)), c.left)])
			used += n
			up.got += int64(n)
			if c.left -= int64(n); ok && c.left == 0 {
				up.complete()
			}
			continue
		}
		piece, n, done, err := c.chunks.Decode(some)
		if err != nil {
			up.refuse(400, err.Error())
			return used
		}
		used += n
		up.got += int64(n)
		c.size += int64(len(piece))
		if most := int64(c.server.spec.Request.MaxBody); c.size > most {
			up.refuse(413, fmt.Sprintf(unread.TooLarge+" (request.max_body)", most))
			return used
		}
		sent, ok := up.send(piece)
		switch {
		case !ok:
			return used
		case sent < len(piece):
			up.pending = append(up.pending, piece[sent:]...)
			up.done = done // as far as the client is concerned
		case done:
			up.complete()
		}
		if n == 0 {
			return used
		}
	}
	return used
}

// send puts bytes into the pipe: all of them, or as many as there is room for. False:
// it failed, and the request is given up.
func (up *upload) send(b []byte) (sent int, ok bool) {
	for sent < len(b) {
		n, err := unix.Write(up.write, b[sent:])
		switch err {
		case nil:
			sent += n
		case unix.EINTR:
		case unix.EAGAIN:
			up.fill()
			return sent, true
		default:
			up.refuse(500, fmt.Sprintf("cannot pass the body to the worker: %v", err))
			return sent, false
		}
	}
	return sent, true
}

// fill: the pipe is full, and the application's time runs.
func (up *upload) fill() {
	s := up.c.server
	up.full = true
	s.loop.Clear(&up.late)
	up.x.ClientOwes(false)
	if err := s.loop.Add(up.write, unix.EPOLLOUT, up); err != nil {
		up.refuse(500, fmt.Sprintf("cannot pass the body to the worker: %v", err))
	}
}

// OnEvents of the pipe: it takes more.
func (up *upload) OnEvents(uint32) {
	c := up.c
	if c.up != up || !up.full {
		return
	}
	c.server.loop.Remove(up.write)
	up.full = false
	if b := up.pending; len(b) > 0 {
		sent, ok := up.send(b)
		if !ok {
			return
		}
		up.pending = b[:copy(b, b[sent:])]
		if up.full {
			return
		}
	}
	if up.done {
		up.complete()
	} else {
		up.await()
	}
	c.pump()
}

// complete: the worker has the whole body.
func (up *upload) complete() {
	up.done = true
	up.x.BodyComplete()
	up.x.ClientOwes(false)
	up.end()
}

// end closes our end of the pipe.
func (up *upload) end() {
	s := up.c.server
	s.loop.Clear(&up.late)
	if up.write < 0 {
		return
	}
	if up.full {
		up.full = false
		s.loop.Remove(up.write)
	}
	_ = unix.Close(up.write)
	up.write = -1
}

// endUpload: the response has ended, or the connection. What has not come of the body
// can be taken for no other request.
func (c *conn) endUpload() {
	up := c.up
	if up == nil {
		return
	}
	c.up = nil
	up.end()
	if !up.done {
		c.keep, c.last = false, true
	}
}

// refuse ends a request whose body will not be all there.
func (up *upload) refuse(status int, reason string) {
	up.x.ClientOwes(false)
	up.c.server.pool.RefuseBody(up.x, status, reason)
}

// onLate: the client has sent nothing for request.body_timeout, or little for as long.
func (up *upload) onLate() {
	c := up.c
	if c.up != up || !c.taking() {
		return
	}
	s := c.server
	r := &s.spec.Request
	now, window := s.loop.Now(), int64(r.BodyTimeout)
	switch {
	case now-up.heard >= window:
		up.refuse(408, fmt.Sprintf("no byte of the body within %v (request.body_timeout)", r.BodyTimeout))
		return
	case now-up.since >= window:
		if unread.TooSlow(up.got, int64(r.MinRate), r.BodyTimeout.D()) {
			up.refuse(408, fmt.Sprintf("%d bytes of the body in %v, less than %d per second (request.min_rate)", up.got, r.BodyTimeout, r.MinRate))
			return
		}
		up.since, up.got = now, 0
	}
	s.loop.SetAt(&up.late, min(up.heard, up.since)+window)
}

var _ pool.Upload = (*upload)(nil)
