package wsgi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"testing"
	"unicode/utf8"
)

// readMarshal reads what AppendValue writes, as strictly as Python: rubbish is
// an error. Strings come back as Go strings.
func readMarshal(b []byte) (v any, rest []byte, err error) {
	short := errors.New("cut short")
	if len(b) == 0 {
		return nil, nil, short
	}
	typ, b := b[0], b[1:]
	size := 0
	switch typ {
	case tShortASCII, tShortInterned:
		if len(b) < 1 {
			return nil, nil, short
		}
		size, b = int(b[0]), b[1:]
	case tASCII, tUnicode, tBytes, tTuple, tList, tInt:
		if len(b) < 4 {
			return nil, nil, short
		}
		size, b = int(binary.LittleEndian.Uint32(b)), b[4:]
	}
	switch typ {
	case tNone:
		return nil, b, nil
	case tTrue, tFalse:
		return typ == tTrue, b, nil
	case tInt:
		return int(int32(size)), b, nil
	case tShortASCII, tShortInterned, tASCII, tUnicode, tBytes:
		if size > len(b) {
			return nil, nil, short
		}
		s := b[:size]
		if typ == tUnicode && !utf8.Valid(s) || typ != tUnicode && typ != tBytes && countHigh(s) > 0 {
			return nil, nil, errors.New("wrong bytes in a string")
		}
		return string(s), b[size:], nil
	case tTuple, tList:
		var list []any
		for range size {
			if v, b, err = readMarshal(b); err != nil {
				return nil, nil, err
			}
			list = append(list, v)
		}
		return list, b, nil
	case tDict:
		d := map[string]any{}
		for len(b) > 0 && b[0] != tNull {
			var k any
			if k, b, err = readMarshal(b); err != nil {
				return nil, nil, err
			}
			if v, b, err = readMarshal(b); err != nil {
				return nil, nil, err
			}
			key, ok := k.(string)
			if !ok {
				return nil, nil, errors.New("a key is not a string")
			}
			if _, twice := d[key]; twice {
				return nil, nil, errors.New("the key " + key + " comes twice")
			}
			d[key] = v
		}
		if len(b) == 0 {
			return nil, nil, short
		}
		return d, b[1:], nil
	}
	return nil, nil, errors.New("unknown type")
}

// FuzzAppendEnviron: whatever a client sends, the environ is whole, no key
// comes twice, and what must never reach an application does not.
func FuzzAppendEnviron(f *testing.F) {
	f.Add([]byte("GET\n/a%20b?c\n\nexample.com:80\nAccept: a\nAccept: b\nCookie: x\nContent-Length: 5"), int64(5), false, false)
	f.Add([]byte("GET\n*\n\n\nProxy: x\nX_Y: z\nX-Y: z\ncontent-type: \xff"), int64(-1), true, false)
	f.Add([]byte("P\n/m/%zz%00%C3\n/m\n[::1]\nX-Forwarded-For: 1.2.3.4, 127.0.0.1:80\nX-Forwarded-Proto: https\nX-Forwarded-Host: a:1\nX-Forwarded-Port: 7"), int64(0), true, true)
	f.Add([]byte("P\n/\n\nh\nForwarded: for=\"[::1]:9\";host=\"a\\\"\";proto=https, for=_x"), int64(0), false, true)
	f.Fuzz(func(t *testing.T, raw []byte, length int64, chunked, trusted bool) {
		parts := bytes.Split(raw, []byte("\n"))
		for len(parts) < 4 {
			parts = append(parts, nil)
		}
		r := &Request{Method: parts[0], Proto: "HTTP/1.1", ScriptName: parts[2], Host: parts[3], ContentLength: length, Chunked: chunked}
		var found bool
		if r.Path, r.Query, found = bytes.Cut(parts[1], []byte("?")); !found {
			r.Query = nil
		}
		for _, line := range parts[4:] {
			name, value, _ := bytes.Cut(line, []byte(": "))
			r.Headers = append(r.Headers, Header{name, value})
		}
		p := &Peer{RemoteAddr: "127.0.0.1", RemotePort: "9", ServerPort: "80"}
		if trusted {
			p.Trusted = trustLoopback
		}
		msg := AppendRequest(nil, 0, 1, r, p)
		v, rest, err := readMarshal(msg[HeaderSize+4:])
		if err != nil || len(rest) != 0 || EnvironLen(msg) != len(msg)-HeaderSize-4 {
			t.Fatalf("%v, %d bytes left: %q", err, len(rest), msg)
		}
		env := v.(map[string]any)
		for _, k := range []string{"REQUEST_METHOD", "PATH_INFO", "SCRIPT_NAME", "QUERY_STRING", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "wsgi.url_scheme", "REMOTE_ADDR"} {
			if _, ok := env[k].(string); !ok {
				t.Errorf("%s is not there", k)
			}
		}
		if path := env["PATH_INFO"].(string); path != "" && path[0] != '/' {
			t.Errorf("PATH_INFO = %q", path)
		}
		for _, k := range []string{"HTTP_PROXY", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_TRANSFER_ENCODING"} {
			if _, ok := env[k]; ok {
				t.Errorf("%s is there", k)
			}
		}
		if env["SERVER_NAME"] == "" || env["SERVER_PORT"] == "" {
			t.Error("SERVER_NAME or SERVER_PORT is empty")
		}
		if !trusted && (env["REMOTE_ADDR"] != "127.0.0.1" || env["wsgi.url_scheme"] != "http") {
			t.Error("a client that is not trusted was believed")
		}
		p.used = true
		if again := AppendRequest(nil, 0, 1, r, p); !bytes.Equal(msg, again) {
			t.Errorf("the next request differs:\n%q\n%q", msg, again)
		}
	})
}

// FuzzWorkerMessage: a worker may send anything.
func FuzzWorkerMessage(f *testing.F) {
	f.Add(append(AppendHeader(nil, MsgHead, 0, 1), headPayload("200 OK\r\nA: b\r\nContent-Length: 5\r\nDate: x\r\nConnection: y\r\nC: d\r\n", "hello")...))
	f.Add(append(AppendHeader(nil, MsgFile, FlagEnd, 1), make([]byte, 16)...))
	f.Add(AppendHeader(nil, MsgEnd, 0, math.MaxUint32))
	f.Fuzz(func(t *testing.T, raw []byte) {
		typ, _, _, payload, err := ParseMessage(raw)
		if err != nil {
			return
		}
		switch typ {
		case MsgFile:
			if o, l, err := ParseFile(payload); err == nil && (o < 0 || l < 0 || o+l < 0) {
				t.Errorf("offset %d, length %d", o, l)
			}
		case MsgHead:
			whole := len(payload)
			var h ResponseHead
			body, err := ParseHead(payload, &h)
			if err != nil {
				return
			}
			if h.Status < 200 || h.Status > 599 || h.ContentLength < -1 || len(body)+len(h.Fields)+len(h.Line) > whole {
				t.Errorf("%+v", h)
			}
			// What is left must be safe to write as it is: reading it again finds
			// nothing to take away.
			again := ResponseHead{}
			line, fields := bytes.Clone(h.Line), bytes.Clone(h.Fields)
			_, err = ParseHead(headPayload(string(line)+"\r\n"+string(fields), ""), &again)
			if err != nil || !bytes.Equal(again.Fields, fields) || again.ContentLength != -1 || again.HasDate != h.HasDate || again.HasServer != h.HasServer {
				t.Errorf("%v: %+v is read again as %+v", err, h, again)
			}
			if bytes.Contains(fields, []byte("\r\n\r\n")) || bytes.HasPrefix(fields, []byte("\r\n")) || bytes.ContainsAny(line, "\r\n") {
				t.Errorf("the head could end early: %q %q", line, fields)
			}
		}
	})
}

// FuzzAppendValue: what is written is what is read.
func FuzzAppendValue(f *testing.F) {
	f.Add("text", []byte("\xff\x00"), 7)
	f.Fuzz(func(t *testing.T, s string, b []byte, n int) {
		in := map[string]any{"s": Latin1(s), "b": b, "n": n, "list": []any{s == "", nil}}
		out, err := AppendValue(nil, in)
		if err != nil {
			t.Fatal(err)
		}
		if n != int(int32(n)) {
			return // readMarshal has no long numbers
		}
		v, rest, err := readMarshal(out)
		if err != nil || len(rest) > 0 {
			t.Fatalf("%v: %q", err, out)
		}
		d := v.(map[string]any)
		if d["s"] != latin1(s) || d["b"] != string(b) || d["n"] != n {
			t.Errorf("%v is read as %v", in, d)
		}
	})
}
