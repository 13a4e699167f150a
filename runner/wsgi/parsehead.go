package wsgi

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// ParseHead reads the payload of MsgHead: the head of a response and the first
// bytes of its body. It takes Content-Length and the fields that belong to the
// connection out of h.Fields, which it does in place: the payload is
// overwritten. Both results point into it.
//
// The host has checked the head already; what could break the response into
// two is refused here again, because the host runs the application's code.
func ParseHead(payload []byte, h *ResponseHead) (body []byte, err error) {
	if len(payload) < 4 {
		return nil, fmt.Errorf("cannot read head: %d bytes are too few", len(payload))
	}
	n := binary.LittleEndian.Uint32(payload)
	if uint64(n) > uint64(len(payload)-4) {
		return nil, fmt.Errorf("cannot read head: its length is %d where %d bytes follow", n, len(payload)-4)
	}
	head, body := payload[4:4+n], payload[4+n:]
	*h = ResponseHead{ContentLength: -1}

	end := bytes.IndexByte(head, '\n')
	if end < 1 || head[end-1] != '\r' {
		return nil, fmt.Errorf("cannot read head: no status line")
	}
	if err := h.setLine(head[:end-1]); err != nil {
		return nil, err
	}
	fields := head[end+1:]
	if err := h.setFields(fields); err != nil {
		return nil, err
	}
	return body, nil
}

func (h *ResponseHead) setLine(line []byte) error {
	if len(line) < 3 || !isDigit(line[0]) || !isDigit(line[1]) || !isDigit(line[2]) || len(line) > 3 && line[3] != ' ' {
		return fmt.Errorf("cannot read head: status %q does not begin with three digits and a space", clip(line))
	}
	if !cleanValue(line) {
		return fmt.Errorf("cannot read head: status %q holds a control character", clip(line))
	}
	h.Status = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	if h.Status < 200 || h.Status > 599 {
		return fmt.Errorf("cannot read head: status %d is not one of a final response, 200 to 599", h.Status)
	}
	h.Line = line
	return nil
}

// setFields checks the lines and moves those that stay to the front.
func (h *ResponseHead) setFields(fields []byte) error {
	w, runStart, i := 0, 0, 0 // fields[runStart:i] stays, but is not moved yet
	for i < len(fields) {
		end := bytes.IndexByte(fields[i:], '\n')
		if end < 1 || fields[i+end-1] != '\r' {
			return fmt.Errorf("cannot read head: line %q does not end with CR LF", clip(fields[i:]))
		}
		line := fields[i : i+end-1]
		next := i + end + 1
		colon := 0
		for colon < len(line) && tokenChar[line[colon]] {
			colon++
		}
		if colon == 0 || colon == len(line) || line[colon] != ':' {
			return fmt.Errorf("cannot read head: line %q has no header name", clip(line))
		}
		value := line[colon+1:]
		if !cleanValue(value) {
			return fmt.Errorf("cannot read head: header %s holds a control character", line[:colon])
		}
		drop := false
		switch name := line[:colon]; len(name) {
		case 2:
			drop = EqualFold(name, "te")
		case 4:
			h.HasDate = h.HasDate || EqualFold(name, "date")
		case 6:
			h.HasServer = h.HasServer || EqualFold(name, "server")
		case 7:
			drop = EqualFold(name, "trailer") || EqualFold(name, "upgrade")
		case 10:
			drop = EqualFold(name, "connection") || EqualFold(name, "keep-alive")
		case 14:
			if EqualFold(name, "content-length") {
				n, ok := parseLength(bytes.Trim(value, " \t"))
				if !ok || h.ContentLength >= 0 && h.ContentLength != n {
					return fmt.Errorf("cannot read head: Content-Length %q is not one number", clip(value))
				}
				h.ContentLength = n
				drop = true
			}
		case 16:
			drop = EqualFold(name, "proxy-connection")
		case 17:
			drop = EqualFold(name, "transfer-encoding")
		}
		if drop {
			w += moveRun(fields, w, runStart, i)
			runStart = next
		}
		i = next
	}
	w += moveRun(fields, w, runStart, i)
	h.Fields = fields[:w]
	return nil
}

// moveRun moves b[from:to] to w and returns its length.
func moveRun(b []byte, w, from, to int) int {
	if w != from {
		copy(b[w:], b[from:to])
	}
	return to - from
}

// parseLength reads a Content-Length: digits alone (RFC 9110, section 8.6).
func parseLength(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return int64(n), n <= math.MaxInt64
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// clip bounds what an error quotes.
func clip(b []byte) []byte {
	if len(b) > 80 {
		return b[:80]
	}
	return b
}

// cleanValue tells that no control character but TAB is in b.
func cleanValue(b []byte) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	rest := b
	for len(rest) >= 8 {
		x := binary.LittleEndian.Uint64(rest)
		del := x ^ 0x7f*ones
		if ((x-0x20*ones)&^x|(del-ones)&^del)&tops != 0 {
			return cleanSlow(rest)
		}
		rest = rest[8:]
	}
	return cleanSlow(rest)
}

func cleanSlow(b []byte) bool {
	for _, c := range b {
		if c < 0x20 && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// tokenChar: the characters of a field name (RFC 9110, section 5.6.2).
var tokenChar = func() (t [256]bool) {
	for i := range t {
		t[i] = environChar[i] != 0 || i == '_'
	}
	return t
}()
