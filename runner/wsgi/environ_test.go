package wsgi

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// testRequest builds a request from a target and header lines.
func testRequest(method, target string, lines ...string) *Request {
	r := &Request{Method: []byte(method), Proto: "HTTP/1.1"}
	path, query, found := strings.Cut(target, "?")
	r.Path = []byte(path)
	if found {
		r.Query = []byte(query)
	}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		r.Headers = append(r.Headers, Header{[]byte(name), []byte(value)})
		if strings.EqualFold(name, "host") {
			r.Host = []byte(value)
		}
	}
	return r
}

// trustLoopback trusts 127/8, 10/8 and unix sockets.
func trustLoopback(addr string) bool {
	a, err := netip.ParseAddr(addr)
	return addr == "" || err == nil && (a.IsLoopback() || a.IsPrivate())
}

func latin1(b string) string {
	var s strings.Builder
	for i := range len(b) {
		s.WriteRune(rune(b[i]))
	}
	return s.String()
}

func TestAppendEnviron(t *testing.T) {
	plain := func() *Peer {
		return &Peer{RemoteAddr: "192.0.2.7", RemotePort: "4711", ServerName: "me", ServerPort: "8000", Software: "wsgid/1.0.0"}
	}
	base := map[string]string{
		"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1", "SCRIPT_NAME": "", "PATH_INFO": "/", "QUERY_STRING": "",
		"REQUEST_URI": "/", "RAW_URI": "/", "SERVER_SOFTWARE": "wsgid/1.0.0", "REMOTE_ADDR": "192.0.2.7", "REMOTE_PORT": "4711",
		"SERVER_NAME": "me", "SERVER_PORT": "8000", "wsgi.url_scheme": "http",
	}
	set := func(r *Request, f func(*Request)) *Request { f(r); return r }
	cases := []struct {
		name string
		r    *Request
		p    *Peer
		want map[string]string // against base; "-" takes a key away
	}{
		{"least", testRequest("GET", "/"), plain(), nil},
		{"host", testRequest("GET", "/", "Host: example.com:81"), plain(), map[string]string{"HTTP_HOST": "example.com:81", "SERVER_NAME": "example.com"}},
		{"host ipv6", testRequest("GET", "/", "Host: [::1]"), plain(), map[string]string{"HTTP_HOST": "[::1]", "SERVER_NAME": "[::1]"}},
		{"empty host", testRequest("GET", "/", "Host: "), plain(), map[string]string{"HTTP_HOST": ""}},
		{"absolute target", set(testRequest("GET", "/", "Host: a"), func(r *Request) { r.Host = []byte("b") }), plain(), map[string]string{"HTTP_HOST": "b", "SERVER_NAME": "b"}},
		{"host of http/2", set(testRequest("GET", "/"), func(r *Request) { r.Host = []byte("b"); r.Proto = "HTTP/2.0" }), plain(), map[string]string{"HTTP_HOST": "b", "SERVER_NAME": "b", "SERVER_PROTOCOL": "HTTP/2.0"}},
		{"unix socket", testRequest("GET", "/", "Host: h:81"), &Peer{}, map[string]string{"HTTP_HOST": "h:81", "SERVER_NAME": "h", "SERVER_PORT": "81", "REMOTE_ADDR": "", "REMOTE_PORT": "-", "SERVER_SOFTWARE": "wsgid"}},
		{"nothing known", testRequest("GET", "/"), &Peer{HTTPS: true}, map[string]string{"SERVER_NAME": "localhost", "SERVER_PORT": "443", "REMOTE_ADDR": "", "REMOTE_PORT": "-", "SERVER_SOFTWARE": "wsgid", "wsgi.url_scheme": "https", "HTTPS": "on"}},
		{"decoded once", testRequest("GET", "/a%20b%2Fc%252e%C3%a9?x=%20&y"), plain(), map[string]string{"PATH_INFO": latin1("/a b/c%2e\xc3\xa9"), "QUERY_STRING": "x=%20&y", "REQUEST_URI": "/a%20b%2Fc%252e%C3%a9?x=%20&y", "RAW_URI": "/a%20b%2Fc%252e%C3%a9?x=%20&y"}},
		{"no percent-encoding", testRequest("GET", "/%zz%2%"), plain(), map[string]string{"PATH_INFO": "/%zz%2%", "REQUEST_URI": "/%zz%2%", "RAW_URI": "/%zz%2%"}},
		{"nul", testRequest("GET", "/a%00b"), plain(), map[string]string{"PATH_INFO": "/a\x00b", "REQUEST_URI": "/a%00b", "RAW_URI": "/a%00b"}},
		{"dots stay", testRequest("GET", "/../a/./b"), plain(), map[string]string{"PATH_INFO": "/../a/./b", "REQUEST_URI": "/../a/./b", "RAW_URI": "/../a/./b"}},
		{"raw bytes", testRequest("GET", "/\xfc?\xff"), plain(), map[string]string{"PATH_INFO": latin1("/\xfc"), "QUERY_STRING": latin1("\xff"), "REQUEST_URI": latin1("/\xfc?\xff"), "RAW_URI": latin1("/\xfc?\xff")}},
		{"empty query", testRequest("GET", "/a?"), plain(), map[string]string{"PATH_INFO": "/a", "REQUEST_URI": "/a?", "RAW_URI": "/a?"}},
		{"long", testRequest("GET", "/"+strings.Repeat("a", 300)+"?b", "X-Long: "+strings.Repeat("v", 300), strings.Repeat("n", 300)+": v"), plain(), map[string]string{
			"PATH_INFO": "/" + strings.Repeat("a", 300), "QUERY_STRING": "b", "REQUEST_URI": "/" + strings.Repeat("a", 300) + "?b", "RAW_URI": "/" + strings.Repeat("a", 300) + "?b",
			"HTTP_X_LONG": strings.Repeat("v", 300), "HTTP_" + strings.Repeat("N", 300): "v"}},
		{"star", testRequest("OPTIONS", "*"), plain(), map[string]string{"REQUEST_METHOD": "OPTIONS", "PATH_INFO": "", "REQUEST_URI": "*", "RAW_URI": "*"}},
		{"mounted", set(testRequest("GET", "/m%20p/x%20y"), func(r *Request) { r.ScriptName = []byte("/m%20p/") }), plain(), map[string]string{"SCRIPT_NAME": "/m p", "PATH_INFO": "/x y", "REQUEST_URI": "/m%20p/x%20y", "RAW_URI": "/m%20p/x%20y"}},
		{"mounted, the root", set(testRequest("GET", "/m"), func(r *Request) { r.ScriptName = []byte("/m") }), plain(), map[string]string{"SCRIPT_NAME": "/m", "PATH_INFO": "", "REQUEST_URI": "/m", "RAW_URI": "/m"}},
		{"mounted elsewhere", set(testRequest("GET", "/mx"), func(r *Request) { r.ScriptName = []byte("/m") }), plain(), map[string]string{"PATH_INFO": "/mx", "REQUEST_URI": "/mx", "RAW_URI": "/mx"}},
		{"mounted at /", set(testRequest("GET", "/mx"), func(r *Request) { r.ScriptName = []byte("/") }), plain(), map[string]string{"PATH_INFO": "/mx", "REQUEST_URI": "/mx", "RAW_URI": "/mx"}},
		{"headers", testRequest("GET", "/", "content-TYPE: text/x", "X-Custom-Thing: 1", "user-agent: u", "X.Dot: 2", "Connection: x"), plain(),
			map[string]string{"CONTENT_TYPE": "text/x", "HTTP_X_CUSTOM_THING": "1", "HTTP_USER_AGENT": "u", "HTTP_X.DOT": "2", "HTTP_CONNECTION": "x"}},
		{"latin-1 values", testRequest("GET", "/", "X-A: caf\xe9", "Cookie: \xff=1"), plain(), map[string]string{"HTTP_X_A": latin1("caf\xe9"), "HTTP_COOKIE": latin1("\xff=1")}},
		{"dropped", testRequest("GET", "/", "Proxy: http://evil", "X_Under: 1", "Content_Length: 9", "Content_Type: x", "Remote_Addr: 1", "Transfer-Encoding: chunked", "Content-Length: x", "bad name: 1", "é: 1"), plain(), map[string]string{"CONTENT_LENGTH": "0"}},
		{"repeated", testRequest("GET", "/", "Accept: a", "Cookie: a=1", "X-A: 1", "accept: b", "cookie: b=2", "x-a: 2", "X-A: 3", "Content-Type: a", "X_A: 4", "Content-Type: b"), plain(),
			map[string]string{"HTTP_ACCEPT": "a, b", "HTTP_COOKIE": "a=1; b=2", "HTTP_X_A": "1, 2, 3", "CONTENT_TYPE": "a, b"}},
		{"repeated, among dropped", testRequest("GET", "/", "X-A: \xe9", "Host: h", "X-A: b", "Proxy: x", "Proxy: y", "Content-Length: 0", "_: x", "_: y"), plain(),
			map[string]string{"HTTP_X_A": latin1("\xe9, b"), "HTTP_HOST": "h", "SERVER_NAME": "h", "CONTENT_LENGTH": "0"}},
		{"length", set(testRequest("POST", "/", "Content-Length: 5"), func(r *Request) { r.ContentLength = 5 }), plain(), map[string]string{"REQUEST_METHOD": "POST", "CONTENT_LENGTH": "5"}},
		{"length of chunks", set(testRequest("POST", "/", "Transfer-Encoding: chunked"), func(r *Request) { r.Chunked = true; r.ContentLength = 0 }), plain(), map[string]string{"REQUEST_METHOD": "POST", "CONTENT_LENGTH": "0"}},
		{"length not known", set(testRequest("POST", "/"), func(r *Request) { r.Chunked = true; r.ContentLength = -1 }), plain(), map[string]string{"REQUEST_METHOD": "POST"}},
	}
	var items [][]byte
	for _, c := range cases {
		items = append(items, AppendEnviron(nil, c.r, c.p))
		// Every later request of a connection says the same.
		second, third := AppendEnviron(nil, c.r, c.p), AppendEnviron(nil, c.r, c.p)
		if !bytes.Equal(items[len(items)-1], second) || !bytes.Equal(second, third) {
			t.Errorf("%s: the second request differs:\n%q\n%q\n%q", c.name, items[len(items)-1], second, third)
		}
	}
	var got []map[string]string
	python(t, loadEnvirons, items, &got)
	for i, c := range cases {
		want := maps.Clone(base)
		maps.Copy(want, c.want)
		maps.DeleteFunc(want, func(_, v string) bool { return v == "-" })
		compareEnviron(t, c.name, got[i], want)
	}
}

func compareEnviron(t *testing.T, name string, got, want map[string]string) {
	t.Helper()
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if g, ok := got[k]; !ok || g != want[k] {
			t.Errorf("%s: %s = %q (there: %t), want %q", name, k, g, ok, want[k])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[k]; !ok {
			t.Errorf("%s: %s = %q, want it absent", name, k, got[k])
		}
	}
}

// wsgi.multiprocess may change between two requests of one connection.
func TestMultiprocess(t *testing.T) {
	var multi atomic.Bool
	p := &Peer{Multiprocess: &multi}
	var items [][]byte
	for _, v := range []bool{false, true, true, false} {
		multi.Store(v)
		items = append(items, AppendEnviron(nil, testRequest("GET", "/"), p))
	}
	var got []bool
	python(t, `print(json.dumps([marshal.loads(e)["wsgi.multiprocess"] for e in items]))`, items, &got)
	if want := []bool{false, true, true, false}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestAppendEnvironExtra(t *testing.T) {
	env := AppendEnviron(nil, testRequest("GET", "/", "X-A: 1"), &Peer{},
		Entry{"wsgid.m2message", Tuple{"uuid", "7", []byte("body")}}, Entry{"HTTP_X_A", "2"}, Entry{"wsgid.other", struct{}{}})
	var got []string
	python(t, `e = marshal.loads(items[0]); print(json.dumps([repr(e["wsgid.m2message"]), repr(e["HTTP_X_A"]), repr(e["wsgid.other"])]))`, [][]byte{env}, &got)
	if want := []string{"('uuid', '7', b'body')", "'2'", "None"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestForwarded(t *testing.T) {
	cases := []struct {
		name  string
		peer  string
		lines string // parted by " | "
		// addr, port, scheme, HTTP_HOST, SERVER_NAME, SERVER_PORT
		want string
	}{
		{"nothing told", "127.0.0.1", "", "127.0.0.1 4711 http h h 8000"},
		{"not trusted", "192.0.2.1", "X-Forwarded-For: 1.2.3.4 | X-Forwarded-Proto: https | X-Forwarded-Host: evil | X-Forwarded-Port: 1 | Forwarded: for=1.2.3.4;proto=https;host=evil", "192.0.2.1 4711 http h h 8000"},
		{"for", "127.0.0.1", "X-Forwarded-For: 192.0.2.9", "192.0.2.9 0 http h h 8000"},
		{"unix socket", "", "X-Forwarded-For: 192.0.2.9", "192.0.2.9 0 http h h 8000"},
		{"forged before", "127.0.0.1", "X-Forwarded-For: 6.6.6.6, 192.0.2.9", "192.0.2.9 0 http h h 8000"},
		{"through two", "127.0.0.1", "X-Forwarded-For: 6.6.6.6, 192.0.2.9, 10.0.0.1", "192.0.2.9 0 http h h 8000"},
		{"through two lines", "127.0.0.1", "X-Forwarded-For: 6.6.6.6, 192.0.2.9 | X-Forwarded-For: 10.0.0.1", "192.0.2.9 0 http h h 8000"},
		{"all trusted", "127.0.0.1", "X-Forwarded-For: 10.0.0.2, 10.0.0.1", "10.0.0.2 0 http h h 8000"},
		{"rubbish stops", "127.0.0.1", "X-Forwarded-For: 192.0.2.9, unknown, 10.0.0.1", "10.0.0.1 0 http h h 8000"},
		{"only rubbish", "127.0.0.1", "X-Forwarded-For: <script>", "127.0.0.1 4711 http h h 8000"},
		{"with port", "127.0.0.1", "X-Forwarded-For: 192.0.2.9:5555", "192.0.2.9 5555 http h h 8000"},
		{"ipv6", "127.0.0.1", "X-Forwarded-For: 2001:db8::1", "2001:db8::1 0 http h h 8000"},
		{"ipv6 with port", "127.0.0.1", "X-Forwarded-For: [2001:db8::1]:77", "2001:db8::1 77 http h h 8000"},
		{"ipv6 in brackets", "127.0.0.1", "X-Forwarded-For: [2001:db8::1]", "2001:db8::1 0 http h h 8000"},
		{"mapped", "127.0.0.1", "X-Forwarded-For: ::ffff:192.0.2.9", "192.0.2.9 0 http h h 8000"},
		{"proto", "127.0.0.1", "X-Forwarded-Proto: HTTPS", "127.0.0.1 4711 https h h 443"},
		{"proto http", "127.0.0.1", "X-Forwarded-Proto: http", "127.0.0.1 4711 http h h 80"},
		{"proto rubbish", "127.0.0.1", "X-Forwarded-Proto: javascript", "127.0.0.1 4711 http h h 8000"},
		{"proto list, the last", "127.0.0.1", "X-Forwarded-Proto: https, http", "127.0.0.1 4711 http h h 80"},
		{"proto list, the client's", "127.0.0.1", "X-Forwarded-For: 192.0.2.9, 10.0.0.1 | X-Forwarded-Proto: https, http", "192.0.2.9 0 https h h 443"},
		{"proto list, forged", "127.0.0.1", "X-Forwarded-For: 6.6.6.6, 192.0.2.9 | X-Forwarded-Proto: https, http", "192.0.2.9 0 http h h 80"},
		{"host", "127.0.0.1", "X-Forwarded-Host: www.example.com", "127.0.0.1 4711 http www.example.com www.example.com 8000"},
		{"host with port", "127.0.0.1", "X-Forwarded-Host: www.example.com:444 | X-Forwarded-Proto: https", "127.0.0.1 4711 https www.example.com:444 www.example.com 444"},
		{"host rubbish", "127.0.0.1", "X-Forwarded-Host: a/b", "127.0.0.1 4711 http h h 8000"},
		{"scheme and the port of Host", "127.0.0.1", "Host: h:8443 | X-Forwarded-Proto: https", "127.0.0.1 4711 https h:8443 h 8443"},
		{"scheme, host and the proxy's own Host", "127.0.0.1", "Host: h:8443 | X-Forwarded-Proto: https | X-Forwarded-Host: www.test", "127.0.0.1 4711 https www.test www.test 443"},
		{"forwarded scheme and the port of Host", "127.0.0.1", "Host: h:8443 | Forwarded: for=192.0.2.9;proto=https", "192.0.2.9 0 https h:8443 h 8443"},
		{"port of Host alone", "127.0.0.1", "Host: h:8443 | X-Forwarded-For: 192.0.2.9", "192.0.2.9 0 http h:8443 h 8000"},
		{"port wins over that of Host", "127.0.0.1", "Host: h:8443 | X-Forwarded-Proto: https | X-Forwarded-Port: 444", "127.0.0.1 4711 https h:8443 h 444"},
		{"port", "127.0.0.1", "X-Forwarded-Proto: https | X-Forwarded-Port: 8443", "127.0.0.1 4711 https h h 8443"},
		{"port rubbish", "127.0.0.1", "X-Forwarded-Port: x", "127.0.0.1 4711 http h h 8000"},
		{"forwarded", "127.0.0.1", `Forwarded: for="[2001:db8::1]:77";Proto=https;host=www.test;by=10.0.0.1`, "2001:db8::1 77 https www.test www.test 443"},
		{"forwarded chain", "127.0.0.1", "Forwarded: for=6.6.6.6;host=evil, for=192.0.2.9;proto=https;host=good | Forwarded: for=10.0.0.1;proto=http;host=inner", "192.0.2.9 0 https good good 443"},
		{"forwarded hidden", "127.0.0.1", "Forwarded: for=192.0.2.9, for=_hidden;proto=https", "127.0.0.1 4711 https h h 443"},
		{"forwarded quoted comma", "127.0.0.1", `Forwarded: host="a,b\"";for=192.0.2.9`, "192.0.2.9 0 http h h 8000"},
		{"forwarded loses", "127.0.0.1", "Forwarded: for=6.6.6.6;proto=https;host=evil | X-Forwarded-For: 192.0.2.9", "192.0.2.9 0 http h h 8000"},
	}
	const all = BelieveFor | BelieveProto | BelieveHost | BelievePort | BelievePrefix | BelieveForwarded
	var items [][]byte
	for _, c := range cases {
		lines := []string{"Host: h"}
		if c.lines != "" {
			more := strings.Split(c.lines, " | ")
			if strings.HasPrefix(more[0], "Host: ") {
				lines = nil
			}
			lines = append(lines, more...)
		}
		p := &Peer{RemoteAddr: c.peer, RemotePort: "4711", ServerName: "me", ServerPort: "8000", Trusted: trustLoopback,
			Believed: func() Believed { return all }}
		items = append(items, AppendEnviron(nil, testRequest("GET", "/", lines...), p))
	}
	var got []map[string]string
	python(t, loadEnvirons, items, &got)
	for i, c := range cases {
		e := got[i]
		have := strings.Join([]string{e["REMOTE_ADDR"], e["REMOTE_PORT"], e["wsgi.url_scheme"], e["HTTP_HOST"], e["SERVER_NAME"], e["SERVER_PORT"]}, " ")
		if have != c.want {
			t.Errorf("%s: %s, want %s", c.name, have, c.want)
		}
		if (e["HTTPS"] == "on") != (e["wsgi.url_scheme"] == "https") {
			t.Errorf("%s: HTTPS = %q", c.name, e["HTTPS"])
		}
		// What the proxies said stays to be read.
		if strings.Contains(c.lines, "X-Forwarded-For") && e["HTTP_X_FORWARDED_FOR"] == "" {
			t.Errorf("%s: HTTP_X_FORWARDED_FOR is gone", c.name)
		}
	}
}

// Each header of a trusted proxy counts where it is named, and by default none
// that chooses host, port or prefix: a proxy passes on what its client says there.
func TestBelieved(t *testing.T) {
	names := func(s ...string) func() Believed {
		b := BelievedHeaders(s)
		return func() Believed { return b }
	}
	const xs = "X-Forwarded-For: 192.0.2.9 | X-Forwarded-Proto: https | X-Forwarded-Host: evil | X-Forwarded-Port: 31337 | X-Forwarded-Prefix: /pre%2Ffix/"
	const forwarded = "Forwarded: for=192.0.2.9;proto=https;host=evil"
	cases := []struct {
		name, lines string
		believed    func() Believed
		want        string // address, scheme, HTTP_HOST, SERVER_PORT, SCRIPT_NAME, PATH_INFO
	}{
		{"default", xs, nil, "192.0.2.9 https h 443  /p"},
		{"default, Forwarded", forwarded, nil, "192.0.2.9 https h 443  /p"},
		{"nothing", xs + " | " + forwarded, names(), "127.0.0.1 http h 8000  /p"},
		{"for", xs, names("x-forwarded-for"), "192.0.2.9 http h 8000  /p"},
		{"proto", xs, names("x-forwarded-proto"), "127.0.0.1 https h 443  /p"},
		{"host", xs, names("x-forwarded-host"), "127.0.0.1 http evil 8000  /p"},
		{"port", xs, names("x-forwarded-port"), "127.0.0.1 http h 31337  /p"},
		{"prefix", xs, names("x-forwarded-prefix"), "127.0.0.1 http h 8000 /pre/fix /p"},
		{"prefix of another host", "X-Forwarded-Prefix: //evil.example/", names("x-forwarded-prefix"), "127.0.0.1 http h 8000  /p"},
		{"Forwarded alone", xs + " | " + forwarded, names("forwarded"), "192.0.2.9 https h 443  /p"},
		{"Forwarded and host", forwarded, names("forwarded", "x-forwarded-host"), "192.0.2.9 https evil 443  /p"},
		{"what is not believed does not hide Forwarded", "X-Forwarded-Host: evil | " + forwarded, nil, "192.0.2.9 https h 443  /p"},
	}
	var items [][]byte
	for _, c := range cases {
		p := &Peer{RemoteAddr: "127.0.0.1", ServerName: "me", ServerPort: "8000", Trusted: trustLoopback, Believed: c.believed}
		items = append(items, AppendEnviron(nil, testRequest("GET", "/p", append([]string{"Host: h"}, strings.Split(c.lines, " | ")...)...), p))
	}
	var got []map[string]string
	python(t, loadEnvirons, items, &got)
	for i, c := range cases {
		e := got[i]
		text := strings.Join([]string{e["REMOTE_ADDR"], e["wsgi.url_scheme"], e["HTTP_HOST"], e["SERVER_PORT"], e["SCRIPT_NAME"], e["PATH_INFO"]}, " ")
		if text != c.want {
			t.Errorf("%s: %q, want %q", c.name, text, c.want)
		}
	}
}

// Any bytes come out of Python as they went in.
func TestAppendEnvironRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	text := func(n int) string {
		b := make([]byte, rnd.IntN(n))
		high := rnd.IntN(3) == 0
		for i := range b {
			b[i] = byte(' ' + rnd.IntN(95))
			if high && rnd.IntN(8) == 0 {
				b[i] = byte(0x80 + rnd.IntN(128))
			}
		}
		return string(b)
	}
	var items [][]byte
	var wants []map[string]string
	for range 500 {
		path := strings.ReplaceAll("/"+text(400), "?", "!")
		r := testRequest("GET", path)
		want := map[string]string{}
		joined := map[string][]string{}
		for range rnd.IntN(40) {
			name := []string{"Accept", "Cookie", "X-Aa", "X-Bb", "X-Cc", "Dnt", "Ee", "X-Ff-Gg-" + string(byte('a'+rnd.IntN(26)))}[rnd.IntN(8)]
			value := text(300)
			r.Headers = append(r.Headers, Header{[]byte(name), []byte(value)})
			joined[name] = append(joined[name], value)
		}
		for name, values := range joined {
			sep := ", "
			if name == "Cookie" {
				sep = "; "
			}
			want["HTTP_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] = latin1(strings.Join(values, sep))
		}
		want["REQUEST_URI"] = latin1(path)
		items = append(items, AppendEnviron(nil, r, &Peer{}))
		wants = append(wants, want)
	}
	var got []map[string]string
	python(t, loadEnvirons, items, &got)
	for i, want := range wants {
		for k, v := range want {
			if got[i][k] != v {
				t.Fatalf("%d: %s = %q, want %q", i, k, got[i][k], v)
			}
		}
		count := 0
		for k := range got[i] {
			if strings.HasPrefix(k, "HTTP_") {
				count++
			}
		}
		if count != len(want)-1 {
			t.Fatalf("%d: %d headers, want %d", i, count, len(want)-1)
		}
	}
}

// Python never frees an interned string since 3.12: names that a client chose
// are not interned.
func TestForeignNamesAreNotInterned(t *testing.T) {
	env := AppendEnviron(nil, testRequest("GET", "/", "X-Chosen-By-Client: 1", "Accept: a"), &Peer{})
	if bytes.Contains(env, []byte("Z\x17HTTP_X_CHOSEN_BY_CLIENT")) || !bytes.Contains(env, []byte("z\x17HTTP_X_CHOSEN_BY_CLIENT")) {
		t.Errorf("%q", env)
	}
	if !bytes.Contains(env, []byte("Z\x0bHTTP_ACCEPT")) {
		t.Errorf("%q", env)
	}
}

func TestAppendEnvironAllocatesNothing(t *testing.T) {
	r := testRequest("GET", "/a%20b?c", "Host: h", "Accept: a", "X-Own: b", "Cookie: c", "Cookie: d")
	p := &Peer{RemoteAddr: "192.0.2.7", RemotePort: "1", ServerPort: "80"}
	buf := make([]byte, 0, 4096)
	for range 3 {
		AppendRequest(buf, 0, 1, r, p)
	}
	if n := testing.AllocsPerRun(100, func() { AppendRequest(buf, 0, 1, r, p) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestKnownHeaders(t *testing.T) {
	for id := 1; id < len(knownHeaders); id++ {
		name := knownHeaders[id].name
		for _, n := range []string{name, strings.ToUpper(name)} {
			if got, _ := lookupHeader([]byte(n)); got != id {
				t.Errorf("%s is found as %d, want %d", n, got, id)
			}
		}
	}
	if len(knownHeaders) > 64 {
		t.Error("the bit set of headers seen holds 64")
	}
	for _, n := range []string{"x", "hosts", "accep", "content_type", "content-typf"} {
		if got, _ := lookupHeader([]byte(n)); got != idUnknown {
			t.Errorf("%s is found as %d", n, got)
		}
	}
}

func TestAppendRequest(t *testing.T) {
	msg := AppendRequest([]byte("x"), FlagBodyFile, 7, testRequest("GET", "/"), &Peer{})[1:]
	env := AppendEnviron(nil, testRequest("GET", "/"), &Peer{})
	SetSeq(msg, 9)
	SetFlags(msg, 0)
	want := append(AppendHeader(nil, MsgRequest, 0, 9), byte(len(env)), byte(len(env)>>8), 0, 0)
	if !bytes.Equal(msg, append(want, env...)) || EnvironLen(msg) != len(env) {
		t.Errorf("%q", msg)
	}
}

func TestValidHost(t *testing.T) {
	for host, want := range map[string]bool{
		"a": true, "a.b-c_d": true, "127.0.0.1:80": true, "[::1]": true, "[::1]:80": true, "a:": true, "a:65535": true,
		"": false, ":80": false, "a:b": false, "a b": false, "a/b": false, "a@b": false, "[::1": false, "[]": false, "[::1]a": false, "a:123456": false, "ä": false, "a,": true,
	} {
		if got := ValidHost([]byte(host)); got != want {
			t.Errorf("%q: %t", host, got)
		}
	}
}
