package wsgi

import (
	"encoding/binary"
	"strings"
	"testing"
)

func headPayload(head, body string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(head)))
	return append(append(b, head...), body...)
}

func TestParseHeadStripsWhatTheIngressDecides(t *testing.T) {
	p := headPayload("200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nX-A: 1\r\nConnection: close\r\ntransfer-encoding: chunked\r\nSet-Cookie: a\r\nKeep-Alive: 5\r\nDate: x\r\nServer: y\r\n", "hello")
	var h ResponseHead
	body, err := ParseHead(p, &h)
	if err != nil {
		t.Fatal(err)
	}
	if string(body) != "hello" || string(h.Line) != "200 OK" || h.Status != 200 || h.ContentLength != 5 || !h.HasDate || !h.HasServer {
		t.Fatalf("head %+v, body %q", h, body)
	}
	want := "Content-Type: text/plain\r\nX-A: 1\r\nSet-Cookie: a\r\nDate: x\r\nServer: y\r\n"
	if string(h.Fields) != want {
		t.Fatalf("fields %q, want %q", h.Fields, want)
	}
}

func TestParseHeadRefuses(t *testing.T) {
	for head, want := range map[string]string{
		"":                                  "cannot read head: no status line",
		"200 OK":                            "cannot read head: no status line",
		"200 OK\n":                          "cannot read head: no status line",
		"20 OK\r\n":                         `cannot read head: status "20 OK" does not begin with three digits and a space`,
		"2000 OK\r\n":                       `cannot read head: status "2000 OK" does not begin with three digits and a space`,
		"101 Switching\r\n":                 "cannot read head: status 101 is not one of a final response, 200 to 599",
		"200 O\x00K\r\n":                    `cannot read head: status "200 O\x00K" holds a control character`,
		"200 O\rK\r\n":                      `cannot read head: status "200 O\rK" holds a control character`,
		"200 OK\r\nA: b\n":                  `cannot read head: line "A: b\n" does not end with CR LF`,
		"200 OK\r\nA: b":                    `cannot read head: line "A: b" does not end with CR LF`,
		"200 OK\r\n\r\n":                    `cannot read head: line "" has no header name`,
		"200 OK\r\nA : b\r\n":               `cannot read head: line "A : b" has no header name`,
		"200 OK\r\n folded: b\r\n":          `cannot read head: line " folded: b" has no header name`,
		"200 OK\r\nA: b\rSet-Cookie: x\r\n": "cannot read head: header A holds a control character",
		"200 OK\r\nA: 12345678\x7f\r\n":     "cannot read head: header A holds a control character",
		"200 OK\r\nContent-Length: -1\r\n":  `cannot read head: Content-Length " -1" is not one number`,
		"200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n": `cannot read head: Content-Length " 2" is not one number`,
	} {
		var h ResponseHead
		_, err := ParseHead(headPayload(head, "x"), &h)
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", head, err, want)
		}
	}
	var h ResponseHead
	if _, err := ParseHead([]byte{1, 0}, &h); err == nil {
		t.Error("a payload of 2 bytes is read")
	}
	if _, err := ParseHead([]byte{255, 255, 255, 255, 'a'}, &h); err == nil {
		t.Error("a head longer than its message is read")
	}
}

func TestParseMessage(t *testing.T) {
	typ, flags, seq, payload, err := ParseMessage(append(AppendHeader(nil, MsgData, FlagEnd, 77), "abc"...))
	if err != nil || typ != MsgData || flags != FlagEnd || seq != 77 || string(payload) != "abc" {
		t.Fatal(typ, flags, seq, payload, err)
	}
	for _, bad := range []string{"", "short", "r\x00\x00\x00\x00\x00\x00\x00", "d\xff\x00\x00\x00\x00\x00\x00", "d\x00\x01\x00\x00\x00\x00\x00"} {
		if _, _, _, _, err := ParseMessage([]byte(bad)); err == nil || !strings.HasPrefix(err.Error(), "cannot read worker message: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestParseFile(t *testing.T) {
	b := binary.LittleEndian.AppendUint64(nil, 7)
	b = binary.LittleEndian.AppendUint64(b, 9)
	if o, l, err := ParseFile(b); o != 7 || l != 9 || err != nil {
		t.Fatal(o, l, err)
	}
	for _, bad := range [][2]uint64{{1 << 63, 0}, {0, 1 << 63}, {1<<63 - 1, 1}} {
		b := binary.LittleEndian.AppendUint64(nil, bad[0])
		b = binary.LittleEndian.AppendUint64(b, bad[1])
		if _, _, err := ParseFile(b); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
	if _, _, err := ParseFile(b[:15]); err == nil {
		t.Error("15 bytes are taken")
	}
}

func TestRequestsOfMessages(t *testing.T) {
	r, p := testRequest("GET", "/"), &Peer{}
	one, two := AppendRequest(nil, 0, 7, r, p), AppendRequest(nil, 0, 1<<31, r, p)
	both := AppendRequests(nil, [][]byte{one, two})
	for _, c := range []struct {
		name string
		msg  []byte
		seq  uint32
		n    int
		bare bool
	}{
		{"one", one, 7, 1, true},
		{"one with a body", append(AppendRequest(nil, 0, 8, r, p), "body"...), 8, 1, false},
		{"one whose body follows", AppendRequest(nil, FlagBodyFile, 9, r, p), 9, 1, false},
		{"several", both, 7, 2, false},
		{"several, cut off", both[:HeaderSize+4], 7, 0, false},
		{"quit", AppendHeader(nil, MsgQuit, 0, 0), 0, 0, false},
		{"nothing", nil, 0, 0, false},
	} {
		seq, n := Requests(c.msg)
		if seq != c.seq || n != c.n {
			t.Errorf("%s: %d requests from %d on, want %d from %d on", c.name, n, seq, c.n, c.seq)
		}
		if len(c.msg) > 0 && IsBare(c.msg) != c.bare {
			t.Errorf("%s: bare is %v", c.name, !c.bare)
		}
	}
}
