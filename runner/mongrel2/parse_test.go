package mongrel2

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// message builds one as mongrel2 does. A pair with a value that begins with
// "\x00" is a list of its lines.
func message(asJSON bool, path, body string, pairs ...string) []byte {
	var h bytes.Buffer
	quote := func(s string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	tnet := func(s string) string { return fmt.Sprintf("%d:%s,", len(s), s) }
	for i := 0; i < len(pairs); i += 2 {
		key, value := pairs[i], pairs[i+1]
		list, isList := strings.CutPrefix(value, "\x00")
		var items []string
		if isList {
			items = strings.Split(list, "\n")
		}
		if asJSON {
			if i > 0 {
				h.WriteString(",")
			}
			h.WriteString(quote(key) + ":")
			if !isList {
				h.WriteString(quote(value))
				continue
			}
			for i, item := range items {
				items[i] = quote(item)
			}
			h.WriteString("[" + strings.Join(items, ",") + "]")
			continue
		}
		h.WriteString(tnet(key))
		if !isList {
			h.WriteString(tnet(value))
			continue
		}
		for i, item := range items {
			items[i] = tnet(item)
		}
		s := strings.Join(items, "")
		fmt.Fprintf(&h, "%d:%s]", len(s), s)
	}
	kind := "}"
	text := h.String()
	if asJSON {
		kind, text = ",", "{"+text+"}"
	}
	return fmt.Appendf(nil, "sender-1 12 %s %d:%s%s%d:%s,", path, len(text), text, kind, len(body), body)
}

// request is a message of an HTTP request.
func request(asJSON bool, method, body string, headers ...string) []byte {
	pairs := append([]string{"METHOD", method, "VERSION", "HTTP/1.1", "URI", "/a?q", "PATH", "/a", "QUERY", "q",
		"PATTERN", "/", "URL_SCHEME", "http", "REMOTE_ADDR", "127.0.0.1"}, headers...)
	return message(asJSON, "/a", body, pairs...)
}

// TestServerMessages: as a real server sent them.
func TestServerMessages(t *testing.T) {
	for _, msg := range []string{
		`aaaa-0001 1 /j/a%20b/c;p 225:{"PATH":"/j/a%20b/c;p","x-forwarded-for":"127.0.0.1","host":"localhost:7701","METHOD":"GET","VERSION":"HTTP/1.1","URI":"/j/a%20b/c;p?x=1&y=%41","QUERY":"x=1&y=%41","PATTERN":"/j","URL_SCHEME":"http","REMOTE_ADDR":"127.0.0.1"},0:,`,
		"aaaa-0001 1 /j/a%20b/c;p 230:4:PATH,12:/j/a%20b/c;p,15:x-forwarded-for,9:127.0.0.1,4:host,14:localhost:7701,6:METHOD,3:GET,7:VERSION,8:HTTP/1.1,3:URI,22:/j/a%20b/c;p?x=1&y=%41,5:QUERY,9:x=1&y=%41,7:PATTERN,2:/j,10:URL_SCHEME,4:http,11:REMOTE_ADDR,9:127.0.0.1,}0:,",
	} {
		var r Request
		if err := r.Parse([]byte(msg)); err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprintf("%s %d %s %s %s %s %s %s %s %s %s %s", r.Sender, r.ID, r.Path, r.Method, r.Version, r.URI, r.URLPath, r.Query, r.Pattern, r.URLScheme, r.RemoteAddr, r.Headers)
		want := "aaaa-0001 1 /j/a%20b/c;p GET HTTP/1.1 /j/a%20b/c;p?x=1&y=%41 /j/a%20b/c;p x=1&y=%41 /j http 127.0.0.1 [{x-forwarded-for 127.0.0.1} {host localhost:7701}]"
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if r.Kind != KindHTTP || r.Fault != "" || r.ContentLength != 0 || !r.KeepAlive() || !r.IsHTTP() {
			t.Errorf("%v %q %d", r.Kind, r.Fault, r.ContentLength)
		}
		d := r.Dict()
		if d["METHOD"] != "GET" || d["host"] != "localhost:7701" || len(d) != 10 {
			t.Errorf("dict %v", d)
		}
	}
}

func TestValues(t *testing.T) {
	for _, asJSON := range []bool{true, false} {
		var r Request
		msg := request(asJSON, "POST", "a\x00,}:\xff", "content-length", "6", "x-raw", "\xe9\x01\t\x7f  ", "x-quote", `a"b\c`, "x-list", "\x001\n2 \n3", "x-empty", "", "method", "EVIL", "x_under", "u")
		if err := r.Parse(msg); err != nil {
			t.Fatal(err)
		}
		want := []Header{{[]byte("content-length"), []byte("6")}, {[]byte("x-raw"), []byte("\xe9\x01\t\x7f")}, {[]byte("x-quote"), []byte(`a"b\c`)},
			{[]byte("x-list"), []byte("1")}, {[]byte("x-list"), []byte("2")}, {[]byte("x-list"), []byte("3")}, {[]byte("x-empty"), []byte("")}, {[]byte("method"), []byte("EVIL")}, {[]byte("x_under"), []byte("u")}}
		if fmt.Sprintf("%q", r.Headers) != fmt.Sprintf("%q", want) {
			t.Errorf("headers %q", r.Headers)
		}
		if string(r.Method) != "POST" || string(r.Body) != "a\x00,}:\xff" || r.Fault != "" || r.JSON != asJSON {
			t.Errorf("%s %q %q", r.Method, r.Body, r.Fault)
		}
		d := r.Dict()
		if !reflect.DeepEqual(d["x-list"], []string{"1", "2 ", "3"}) || d["x-raw"] != "\xe9\x01\t\x7f  " {
			t.Errorf("dict %q", d)
		}
	}
}

// TestMalformed: messages that no mongrel2 sends, and why they are refused.
func TestMalformed(t *testing.T) {
	good := string(request(false, "GET", ""))
	head := func(h string) string { return fmt.Sprintf("s 1 / %d:%s,0:,", len(h), h) }
	dict := func(h string) string { return fmt.Sprintf("s 1 / %d:%s}0:,", len(h), h) }
	for msg, want := range map[string]string{
		"":                                  "no sender",
		"s":                                 "no sender",
		" 1 / 2:{},0:,":                     "no sender",
		"s 1":                               "no connection id",
		"s x / 2:{},0:,":                    "connection id is not a number",
		"s  / 2:{},0:,":                     "connection id is not a number",
		"s -1 / 2:{},0:,":                   "connection id is not a number",
		"s 1 2 / 2:{},0:,":                  "headers are not a netstring",
		"s 99999999999999999999 / 0:},":     "connection id is not a number",
		"s 1 /":                             "no path",
		"s 1  2:{},0:,":                     "no path",
		"s 1 / ":                            "headers are not a netstring",
		"s 1 / 2":                           "headers are not a netstring",
		"s 1 / :{},0:,":                     "headers are not a netstring",
		"s 1 / -2:{},0:,":                   "headers are not a netstring",
		"s 1 / 3:{}":                        "headers are not a netstring",
		"s 1 / 2:{}":                        "headers are not a netstring",
		"s 1 / 99999999999:{},0:,":          "headers are not a netstring",
		"s 1 / 9999999999:{},0:,":           "headers are not a netstring",
		"s 1 / 2:{}]0:,":                    "headers are neither JSON nor a tnetstring dictionary",
		"s 1 / 2:{},":                       "body is not a netstring",
		"s 1 / 2:{},0:}":                    "body is not a netstring",
		"s 1 / 2:{},5:abc,":                 "body is not a netstring",
		"s 1 / 2:{},0:,x":                   "bytes after the body",
		head("{}"):                          "no METHOD",
		dict(""):                            "no METHOD",
		head(""):                            "headers are not a JSON object",
		head("[]"):                          "headers are not a JSON object",
		head("{} x"):                        "bytes after the JSON object",
		head("{"):                           "header name is not a JSON string",
		head(`{a:1}`):                       "header name is not a JSON string",
		head(`{"a"}`):                       "header name is not a JSON string",
		head(`{"a":`):                       "header value is neither a JSON string nor a list",
		head(`{"a":1}`):                     "header value is neither a JSON string nor a list",
		head(`{"a":"b`):                     "header value is neither a JSON string nor a list",
		head(`{"a":"b\`):                    "header value is neither a JSON string nor a list",
		head(`{"a":"\x"}`):                  "header value is neither a JSON string nor a list",
		head(`{"a":"\u12"}`):                "header value is neither a JSON string nor a list",
		head(`{"a":"\u1234"}`):              "header value is neither a JSON string nor a list",
		head(`{"a":["b"`):                   "JSON list does not end",
		head(`{"a":["b",]}`):                "header value is not a list of JSON strings",
		head(`{"a":[1]}`):                   "header value is not a list of JSON strings",
		head(`{"a":"b"`):                    "JSON object does not end",
		head(`{"a":"b",}`):                  "header name is not a JSON string",
		head(`{"METHOD":["GET"]}`):          "list for METHOD",
		head(`{"METHOD":"A","METHOD":"B"}`): "two of METHOD",
		head(`{"METHOD":"GET"}`):            "no VERSION in an HTTP request",
		head(`{"METHOD":"GET","VERSION":"HTTP/1.1"}`): "no PATH in an HTTP request",
		dict("1:a"):                "header name is not a tnetstring",
		dict("1:a]"):               "header name is not a tnetstring",
		dict("1:a,"):               "header value is not a tnetstring",
		dict("1:a,1:b#"):           "header value is neither a string nor a list",
		dict("1:a,3:1:b]"):         "header value is not a list of strings",
		dict("1:a,4:1:b#]"):        "header value is not a list of strings",
		dict("6:METHOD,6:3:GET,]"): "list for METHOD",
		good[:len(good)-1]:         "body is not a netstring",
	} {
		var r Request
		err := r.Parse([]byte(msg))
		if !errors.Is(err, ErrMalformed) || err.Error() != "cannot read mongrel2 message: malformed message: "+want {
			t.Errorf("%q:\ngot  %v\nwant %s", msg, err, want)
		}
	}
}

// TestKind: what a message is, and what is wrong with its request.
func TestKind(t *testing.T) {
	const file, other = "/tmp/up.aZ09bC", "/tmp/up.XXXXXX"
	upload := func(more ...string) []string {
		return append([]string{"x-mongrel2-upload-start", file, "x-mongrel2-upload-done", file}, more...)
	}
	started := func(more ...string) []string { return append([]string{"x-mongrel2-upload-start", file}, more...) }
	for _, test := range []struct {
		name    string
		method  string
		body    string
		headers []string
		kind    Kind
		fault   string
		length  int64
	}{
		{name: "plain", method: "GET"},
		{name: "body", method: "POST", body: "abc", headers: []string{"content-length", "3"}, length: 3},
		{name: "start", method: "POST", headers: started("content-length", "30000"), kind: KindUploadStart, length: 30000},
		{name: "done", method: "POST", headers: upload("content-length", "30000"), kind: KindUploadDone, length: 30000},
		{name: "largest", method: "POST", headers: upload("content-length", "2147483647"), kind: KindUploadDone, length: 2147483647},
		{name: "chunked", method: "PUT", headers: upload("transfer-encoding", "chunked"), kind: KindUploadDone, length: -1},
		{name: "start with a forged done", method: "POST", headers: []string{"x-mongrel2-upload-start", file, "x-mongrel2-upload-done", other, "content-length", "30000"}, kind: KindUploadStart, length: 30000},

		{name: "forged: no body", method: "GET", headers: upload()},
		{name: "forged: length 0", method: "POST", headers: upload("content-length", "0")},
		{name: "forged: body in the message", method: "POST", body: "abc", headers: upload("content-length", "3"), length: 3},
		{name: "forged: two starts", method: "POST", headers: []string{"x-mongrel2-upload-start", "\x00" + file + "\n" + file, "content-length", "0"}},
		{name: "forged: done alone", method: "GET", headers: []string{"x-mongrel2-upload-done", file}},
		{name: "forged: no name of mkstemp", method: "POST", headers: []string{"x-mongrel2-upload-start", "/etc/pass.d", "x-mongrel2-upload-done", "/etc/pass.d", "content-length", "30000"}, fault: "Content-Length 30000 with a body of 0 bytes"},
		{name: "forged: leads out", method: "POST", headers: []string{"x-mongrel2-upload-start", "/../etc/passwd", "x-mongrel2-upload-done", "/../etc/passwd", "content-length", "30000"}, fault: "Content-Length 30000 with a body of 0 bytes"},
		{name: "forged: too long", method: "POST", headers: upload("content-length", "99999999999"), fault: "Content-Length beyond 2147483647"},
		{name: "forged: far too long", method: "POST", headers: upload("content-length", strings.Repeat("9", 40)), fault: "Content-Length beyond 2147483647"},
		{name: "forged: letters", method: "POST", headers: upload("content-length", "abc"), fault: "bad Content-Length"},
		{name: "forged: negative", method: "POST", headers: upload("content-length", "-30000"), fault: "bad Content-Length"},
		{name: "forged: hex", method: "POST", headers: upload("content-length", "0x7000"), fault: "bad Content-Length"},
		{name: "forged: plus", method: "POST", headers: upload("content-length", "+5"), fault: "bad Content-Length"},
		{name: "forged: junk", method: "POST", headers: upload("content-length", "5junk"), fault: "bad Content-Length"},
		{name: "forged: list", method: "POST", headers: upload("content-length", "0, 30000"), fault: "bad Content-Length"},
		{name: "forged: repeated", method: "POST", headers: upload("content-length", "\x000\n30000"), fault: "duplicate Content-Length"},
		{name: "forged: empty", method: "POST", headers: upload("content-length", ""), fault: "bad Content-Length"},
		{name: "forged: Chunked", method: "POST", headers: upload("transfer-encoding", "Chunked"), fault: "Transfer-Encoding other than chunked"},
		{name: "forged: chunked twice", method: "POST", headers: upload("transfer-encoding", "\x00chunked\nchunked"), fault: "duplicate Transfer-Encoding"},
		{name: "forged: gzip", method: "POST", headers: upload("transfer-encoding", "gzip, chunked"), fault: "Transfer-Encoding other than chunked"},
		{name: "both", method: "POST", headers: upload("transfer-encoding", "chunked", "content-length", "0"), fault: "Content-Length beside Transfer-Encoding"},
		{name: "both, same length", method: "POST", body: "abc", headers: []string{"transfer-encoding", "chunked", "content-length", "3"}, fault: "Content-Length beside Transfer-Encoding"},

		{name: "chunked without a file", method: "POST", headers: []string{"transfer-encoding", "chunked"}, fault: "chunked request that is not an upload"},
		{name: "short body", method: "POST", body: "ab", headers: []string{"content-length", "3"}, fault: "Content-Length 3 with a body of 2 bytes"},
		{name: "body without length", method: "POST", body: "ab", fault: "body without Content-Length", length: 2},
		{name: "two hosts", method: "GET", headers: []string{"host", "\x00a\nb"}, fault: "duplicate Host"},
		{name: "line feed", method: "GET", headers: []string{"x-a", "b\nc: d"}, fault: "control character in a header"},
		{name: "NUL", method: "GET", headers: []string{"x-a", "b\x00"}, fault: "control character in a header"},
		{name: "bad name", method: "GET", headers: []string{"x a", "b"}, fault: "bad header name"},
		{name: "empty name", method: "GET", headers: []string{"", "b"}, fault: "bad header name"},

		{name: "JSON over HTTP", method: "JSON", body: `{"type":"disconnect"}`, headers: []string{"content-length", "21"}, kind: KindForeignMethod},
		{name: "XML over HTTP", method: "XML", kind: KindForeignMethod},
		{name: "WEBSOCKET over HTTP", method: "WEBSOCKET", headers: upload("content-length", "30000"), kind: KindForeignMethod},
		{name: "handshake over HTTP", method: "WEBSOCKET_HANDSHAKE", kind: KindForeignMethod},
		{name: "WEBSOCKETX", method: "WEBSOCKETX", kind: KindForeignMethod},
		{name: "handshake", method: "WEBSOCKET_HANDSHAKE", body: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", headers: []string{"upgrade", "websocket", "sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="}, kind: KindHandshake},
		{name: "frame", method: "WEBSOCKET", body: "hi", headers: []string{"FLAGS", "0x81"}, kind: KindWebSocket},
		{name: "forged flags", method: "WEBSOCKET", headers: []string{"flags", "0x81"}, kind: KindForeignMethod},
	} {
		for _, asJSON := range []bool{true, false} {
			var r Request
			if err := r.Parse(request(asJSON, test.method, test.body, test.headers...)); err != nil {
				t.Errorf("%s: %v", test.name, err)
				continue
			}
			if r.Kind != test.kind || r.Fault != test.fault || test.fault == "" && r.IsHTTP() && r.ContentLength != test.length {
				t.Errorf("%s: %v, fault %q, length %d", test.name, r.Kind, r.Fault, r.ContentLength)
			}
			if want := map[bool]string{true: file}[r.Kind == KindUploadDone || r.Kind == KindUploadStart]; r.UploadPath != want {
				t.Errorf("%s: upload path %q", test.name, r.UploadPath)
			}
			if r.IsHTTP() && (r.Header(uploadStart) != nil || r.Header(uploadDone) != nil) {
				t.Errorf("%s: upload headers are kept", test.name)
			}
		}
	}
}

func TestNotices(t *testing.T) {
	for _, test := range []struct {
		name, path, body string
		headers          []string
		kind             Kind
	}{
		{"disconnect", "@*", `{"type":"disconnect"}`, []string{"METHOD", "JSON"}, KindDisconnect},
		{"credits", "@*", `{"type":"credits"}`, []string{"DOWNLOAD_CREDITS", "1000", "METHOD", "JSON"}, KindCredits},
		{"on another path", "@chat", `{"type":"disconnect"}`, []string{"METHOD", "JSON"}, KindJSON},
		{"with more headers", "@*", `{"type":"disconnect"}`, []string{"METHOD", "JSON", "PATH", "@*"}, KindJSON},
		{"with a client's header", "@*", `{"type":"disconnect"}`, []string{"METHOD", "JSON", "x", "y"}, KindJSON},
		{"other body", "@*", `{"type":"x"}`, []string{"METHOD", "JSON"}, KindJSON},
		{"chat", "@chat", `{"a":1}`, []string{"METHOD", "JSON", "PATH", "@chat", "REMOTE_ADDR", "127.0.0.1"}, KindJSON},
		{"xml", "<x", `<x y='1'/>`, []string{"METHOD", "XML", "PATH", "<x"}, KindXML},
	} {
		for _, asJSON := range []bool{true, false} {
			var r Request
			if err := r.Parse(message(asJSON, test.path, test.body, test.headers...)); err != nil || r.Kind != test.kind {
				t.Errorf("%s: %v, %v", test.name, r.Kind, err)
			}
			if r.IsHTTP() {
				t.Errorf("%s is HTTP", test.name)
			}
		}
	}
}

func TestKeepAlive(t *testing.T) {
	for _, test := range []struct {
		version, connection string
		want                bool
	}{
		{"HTTP/1.1", "", true}, {"HTTP/1.1", "close", false}, {"HTTP/1.1", "foo, Close", false}, {"HTTP/1.1", "Keep-Alive", true},
		{"HTTP/1.1", "closed", true}, {"HTTP/1.0", "", false}, {"HTTP/1.0", "Keep-Alive", true}, {"HTTP/1.0", "keep-alive, close", false},
	} {
		r := Request{Version: []byte(test.version)}
		if test.connection != "" {
			r.Headers = []Header{{[]byte("connection"), []byte(test.connection)}}
		}
		if r.KeepAlive() != test.want {
			t.Errorf("%s with %q: %v", test.version, test.connection, !test.want)
		}
	}
}

func TestScriptName(t *testing.T) {
	for _, test := range [][3]string{
		{"/", "/", ""}, {"/a/b", "/", ""}, {"/app", "/app", "/app"}, {"/app/", "/app", "/app"}, {"/app/x", "/app/", "/app"},
		{"/app", "/app/", "/app"}, {"/appx", "/app", ""}, {"/re/abc/x/tail", "/re/([a-z]+)/x", "/re"}, {"/reabc", "/re([a-z]+)", ""},
		{"/a(b", "/a(b", ""}, {"//x/y", "/", ""}, {"/b", "/app", ""}, {"", "/app", ""}, {"/app%2Fx", "/app", ""}, {"/x", "", ""}, {"/a//b", "/a/", "/a"},
		{"/a/b/c", "/a/b(/.*)?", "/a"},
		// mongrel2 1.12.2 takes a path that a route begins with for the route's.
		{"/", "/api", ""}, {"/ap", "/api", ""}, {"/blog/a", "/blog/admin/", ""},
	} {
		if got := string(ScriptName([]byte(test[0]), []byte(test[1]))); got != test[2] {
			t.Errorf("path %q, pattern %q: %q, want %q", test[0], test[1], got, test[2])
		}
	}
}

func TestAppend(t *testing.T) {
	for want, got := range map[string][]byte{
		"b-2 2:57, HTTP/1.1 200 OK": AppendResponse(nil, []byte("b-2"), []byte("57"), []byte("HTTP/1.1 200 OK")),
		"b-2 2:57, ":                AppendAddress(nil, []byte("b-2"), []byte("57")),
		"b-2 4:X 12, 28:3:ctl,18:10:keep-alive,1:1#}]": AppendKeepAlive(nil, []byte("b-2"), []byte("12")),
		"xb-2 12:123456789012, p":                      AppendResponse([]byte("x"), []byte("b-2"), []byte("123456789012"), []byte("p")),
	} {
		if string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for ident, want := range map[string]bool{"": false, "a": true, "a-B-9": true, "a_b": false, "a b": false, "ä": false} {
		if ValidIdent([]byte(ident)) != want {
			t.Errorf("%q: %v", ident, !want)
		}
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	var r Request
	for _, asJSON := range []bool{true, false} {
		msg := request(asJSON, "GET", "", "host", "h", "accept", "*/*", "user-agent", "x")
		if n := testing.AllocsPerRun(100, func() {
			if err := r.Parse(msg); err != nil {
				t.Fatal(err)
			}
		}); n > 1 {
			t.Errorf("%v allocations", n)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, asJSON := range []bool{true, false} {
		f.Add(request(asJSON, "GET", "", "host", "h", "x", "\x00a\nb"))
		f.Add(request(asJSON, "POST", "body", "content-length", "4"))
		f.Add(request(asJSON, "POST", "", "x-mongrel2-upload-start", "/tmp/up.aZ09bC", "x-mongrel2-upload-done", "/tmp/up.aZ09bC", "content-length", "30000"))
		f.Add(request(asJSON, "PUT", "", "x-mongrel2-upload-start", "/tmp/up.aZ09bC", "transfer-encoding", "chunked"))
		f.Add(message(asJSON, "@*", `{"type":"disconnect"}`, "METHOD", "JSON"))
	}
	f.Add([]byte(`s 1 / 16:{"a":"\u00e9\n\"" },0:,`))
	f.Fuzz(func(t *testing.T, msg []byte) {
		before := bytes.Clone(msg)
		var r Request
		err := r.Parse(msg)
		if !bytes.Equal(before, msg) {
			t.Fatal("the message was changed")
		}
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		if len(r.Sender) == 0 || bytes.ContainsAny(r.Sender, " ") || len(r.ConnID) == 0 {
			t.Fatalf("sender %q, id %q", r.Sender, r.ConnID)
		}
		if !bytes.HasPrefix(r.URLPath, ScriptName(r.URLPath, r.Pattern)) {
			t.Fatal("SCRIPT_NAME is not a prefix of the path")
		}
		for _, h := range r.Headers {
			if hasUpper(h.Name) {
				t.Fatalf("header %q is mongrel2's own", h.Name)
			}
		}
		dict := r.Dict()
		if r.Kind == KindDisconnect && (len(dict) != 1 || string(r.Path) != "@*") {
			t.Fatal("not a genuine notice")
		}
		if !r.IsHTTP() {
			return
		}
		if r.Fault == "" {
			for _, h := range r.Headers {
				if bytes.ContainsAny(h.Value, "\r\n\x00") {
					t.Fatalf("header %q: %q", h.Name, h.Value)
				}
			}
			if r.Kind == KindHTTP && r.ContentLength != int64(len(r.Body)) {
				t.Fatal("length and body differ")
			}
		}
		if r.UploadPath != "" {
			if r.Fault != "" || len(r.Body) != 0 || strings.Contains(r.UploadPath, "..") && slices.Contains(strings.Split(r.UploadPath, "/"), "..") {
				t.Fatalf("upload %q of %q", r.UploadPath, r.Fault)
			}
			if r.Kind == KindUploadDone && dict["x-mongrel2-upload-done"] == nil {
				t.Fatalf("upload done in %v", slices.Collect(maps.Keys(dict)))
			}
		}
	})
}

func FuzzScriptName(f *testing.F) {
	f.Add("/app/x", "/app")
	f.Add("/re/abc/x", "/re/([a-z]+)/x")
	f.Fuzz(func(t *testing.T, path, pattern string) {
		script := string(ScriptName([]byte(path), []byte(pattern)))
		rest, ok := strings.CutPrefix(path, script)
		if !ok || script != "" && rest != "" && rest[0] != '/' || strings.HasSuffix(script, "/") {
			t.Fatalf("path %q, pattern %q: %q", path, pattern, script)
		}
	})
}
