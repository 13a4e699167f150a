package static

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// request makes a request of header lines.
func request(method string, lines ...string) *Request {
	w := &wsgi.Request{Method: []byte(method)}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		w.Headers = append(w.Headers, wsgi.Header{Name: []byte(name), Value: []byte(value)})
	}
	r := &Request{}
	r.read(w)
	return r
}

var changed = time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)

func tenBytes() *File {
	return &File{Size: 10, Modified: changed, ETag: `"a1"`, Type: "text/css; charset=utf-8", MaxAge: time.Hour}
}

func weak(f *File) *File { f.ETag, f.Fresh = "W/"+f.ETag, true; return f }

func TestDecide(t *testing.T) {
	const date, before, after = "Sun, 01 Nov 2026 10:00:00 GMT", "Sun, 01 Nov 2026 09:59:59 GMT", "Sun, 01 Nov 2026 10:00:01 GMT"
	for _, c := range []struct {
		name  string
		r     *Request
		f     *File // nil: tenBytes
		want  int
		spans string // from+length of the parts of the file
	}{
		{"plain", request("GET"), nil, 200, "0+10"},
		{"HEAD", request("HEAD"), nil, 200, ""},
		{"empty file", request("GET"), &File{ETag: `"0"`}, 200, ""},
		{"POST", request("POST"), nil, 405, ""},
		{"OPTIONS", request("OPTIONS"), nil, 405, ""},
		{"PUT with a condition", request("PUT", "If-None-Match: *"), nil, 405, ""},

		{"If-None-Match same", request("GET", `If-None-Match: "a1"`), nil, 304, ""},
		{"If-None-Match weak", request("GET", `If-None-Match: W/"a1"`), nil, 304, ""},
		{"If-None-Match weak file", request("GET", `If-None-Match: "a1"`), weak(tenBytes()), 304, ""},
		{"If-None-Match of a list", request("HEAD", `If-None-Match: "x", W/"y" ,"a1"`), nil, 304, ""},
		{"If-None-Match in two lines", request("GET", `If-None-Match: "x"`, `If-None-Match: "a1"`), nil, 304, ""},
		{"If-None-Match with a comma in a tag", request("GET", `If-None-Match: "x,\"a1"`), nil, 200, "0+10"},
		{"If-None-Match star", request("GET", "If-None-Match: *"), nil, 304, ""},
		{"If-None-Match other", request("GET", `If-None-Match: "a2"`), nil, 200, "0+10"},
		{"If-None-Match without quotes", request("GET", "If-None-Match: a1"), nil, 200, "0+10"},
		{"If-None-Match wins over the date", request("GET", `If-None-Match: "a2"`, "If-Modified-Since: "+date), nil, 200, "0+10"},

		{"If-Modified-Since same", request("GET", "If-Modified-Since: "+date), nil, 304, ""},
		{"If-Modified-Since later, as after a rollback", request("GET", "If-Modified-Since: "+after), nil, 200, "0+10"},
		{"If-Modified-Since earlier", request("GET", "If-Modified-Since: "+before), nil, 200, "0+10"},
		{"If-Modified-Since in the old form", request("GET", "If-Modified-Since: Sunday, 01-Nov-26 10:00:00 GMT"), nil, 304, ""},
		{"If-Modified-Since as asctime", request("GET", "If-Modified-Since: Sun Nov  1 10:00:00 2026"), nil, 304, ""},
		{"If-Modified-Since is no date", request("GET", "If-Modified-Since: yesterday"), nil, 200, "0+10"},
		{"If-Modified-Since twice", request("GET", "If-Modified-Since: "+date, "If-Modified-Since: "+date), nil, 200, "0+10"},

		{"If-Match same", request("GET", `If-Match: "a1"`), nil, 200, "0+10"},
		{"If-Match weak", request("GET", `If-Match: W/"a1"`), nil, 412, ""},
		{"If-Match weak file", request("GET", `If-Match: W/"a1"`), weak(tenBytes()), 412, ""},
		{"If-Match other", request("GET", `If-Match: "a2"`), nil, 412, ""},
		{"If-Match star", request("GET", "If-Match: *"), weak(tenBytes()), 200, "0+10"},
		{"If-Unmodified-Since same", request("GET", "If-Unmodified-Since: "+date), nil, 200, "0+10"},
		{"If-Unmodified-Since earlier", request("GET", "If-Unmodified-Since: "+before), nil, 412, ""},
		{"If-Match wins over the date", request("GET", `If-Match: "a1"`, "If-Unmodified-Since: "+before), nil, 200, "0+10"},
		{"failed before not modified", request("GET", `If-Match: "a2"`, `If-None-Match: "a1"`), nil, 412, ""},

		{"range", request("GET", "Range: bytes=2-4"), nil, 206, "2+3"},
		{"range of one byte", request("GET", "Range: bytes=0-0"), nil, 206, "0+1"},
		{"range to the end", request("GET", "Range: bytes=7-"), nil, 206, "7+3"},
		{"range past the end", request("GET", "Range: bytes=7-99"), nil, 206, "7+3"},
		{"range with an end of many digits", request("GET", "Range: bytes=0-99999999999999999999999"), nil, 206, "0+10"},
		{"suffix", request("GET", "Range: bytes=-3"), nil, 206, "7+3"},
		{"suffix longer than the file", request("GET", "Range: bytes=-99"), nil, 206, "0+10"},
		{"suffix of nothing", request("GET", "Range: bytes=-0"), nil, 416, ""},
		{"behind the end", request("GET", "Range: bytes=10-"), nil, 416, ""},
		{"of an empty file", request("GET", "Range: bytes=0-"), &File{ETag: `"0"`}, 416, ""},
		{"two, neither there", request("GET", "Range: bytes=10-11,-0"), nil, 416, ""},
		{"upside down", request("GET", "Range: bytes=4-2"), nil, 200, "0+10"},
		{"no number", request("GET", "Range: bytes=a-b"), nil, 200, "0+10"},
		{"signed", request("GET", "Range: bytes=+1-3"), nil, 200, "0+10"},
		{"nothing", request("GET", "Range: bytes="), nil, 200, "0+10"},
		{"another unit", request("GET", "Range: lines=1-2"), nil, 200, "0+10"},
		{"unit in capitals", request("GET", "Range: BYTES=1-2"), nil, 206, "1+2"},
		{"several", request("GET", "Range: bytes=0-1, 4-5,-1"), nil, 206, "0+2 4+2 9+1"},
		{"several in their order", request("GET", "Range: bytes=8-9,0-0"), nil, 206, "8+2 0+1"},
		{"several, one there", request("GET", "Range: bytes=0-1,20-"), nil, 206, "0+2"},
		{"several, one bad", request("GET", "Range: bytes=0-1,x"), nil, 200, "0+10"},
		{"more than the file", request("GET", "Range: bytes=0-,0-,0-"), nil, 200, "0+10"},
		{"many", request("GET", "Range: bytes="+strings.Repeat("1-1,", 17)+"2-2"), &File{Size: 1 << 20, ETag: `"a1"`}, 200, "0+1048576"},
		{"twice", request("GET", "Range: bytes=0-1", "Range: bytes=2-3"), nil, 200, "0+10"},
		{"HEAD has no range", request("HEAD", "Range: bytes=2-4"), nil, 200, ""},
		{"not modified before range", request("GET", "Range: bytes=2-4", `If-None-Match: "a1"`), nil, 304, ""},

		{"If-Range same", request("GET", "Range: bytes=2-4", `If-Range: "a1"`), nil, 206, "2+3"},
		{"If-Range other", request("GET", "Range: bytes=2-4", `If-Range: "a2"`), nil, 200, "0+10"},
		{"If-Range other, not to be satisfied", request("GET", "Range: bytes=20-", `If-Range: "a2"`), nil, 200, "0+10"},
		{"If-Range weak", request("GET", "Range: bytes=2-4", `If-Range: W/"a1"`), nil, 200, "0+10"},
		{"If-Range weak file", request("GET", "Range: bytes=2-4", `If-Range: W/"a1"`), weak(tenBytes()), 200, "0+10"},
		{"If-Range of another form", request("GET", "Range: bytes=2-4", `If-Range: "a1"`), &File{Size: 10, ETag: `"a1-gz"`, Form: Gzip}, 200, "0+10"},
		{"If-Range date", request("GET", "Range: bytes=2-4", "If-Range: "+date), nil, 206, "2+3"},
		{"If-Range date of a fresh file", request("GET", "Range: bytes=2-4", "If-Range: "+date), weak(tenBytes()), 200, "0+10"},
		{"If-Range later date", request("GET", "Range: bytes=2-4", "If-Range: "+after), nil, 200, "0+10"},
		{"If-Range without range", request("GET", `If-Range: "a2"`), nil, 200, "0+10"},
	} {
		f := c.f
		if f == nil {
			f = tenBytes()
		}
		p := decide(c.r, f, func() string { return "BOUNDARY" })
		var spans []string
		n := int64(0)
		for _, part := range p.Parts {
			n += int64(len(part.Text)) + part.Length
			if part.Text == nil {
				spans = append(spans, itoa(part.From)+"+"+itoa(part.Length))
			}
		}
		if p.Status != c.want || strings.Join(spans, " ") != c.spans {
			t.Errorf("%s: %d %v, want %d %s", c.name, p.Status, spans, c.want, c.spans)
		}
		if len(p.Parts) > 0 && n != p.Length {
			t.Errorf("%s: Content-Length %d, the body has %d", c.name, p.Length, n)
		}
		if !strings.HasPrefix(p.Line, itoa(int64(p.Status))+" ") || len(p.Fields) > 0 && !strings.HasSuffix(string(p.Fields), "\r\n") {
			t.Errorf("%s: line %q, fields %q", c.name, p.Line, p.Fields)
		}
	}
}

func itoa(n int64) string {
	if n >= 10 {
		return itoa(n/10) + string(rune('0'+n%10))
	}
	return string(rune('0' + n))
}

// TestHeaderLines shows the lines of the answers.
func TestHeaderLines(t *testing.T) {
	const date = "Last-Modified: Sun, 01 Nov 2026 10:00:00 GMT\r\n"
	hashed, coded, never := tenBytes(), tenBytes(), tenBytes()
	hashed.Hashed, coded.Form, coded.Varies, never.MaxAge = true, Brotli, true, 0
	for _, c := range []struct {
		name string
		r    *Request
		f    *File
		want string
	}{
		{"200", request("GET"), tenBytes(), "Content-Type: text/css; charset=utf-8\r\nAccept-Ranges: bytes\r\nETag: \"a1\"\r\n" + date + "Cache-Control: public, max-age=3600\r\n"},
		{"hashed", request("GET"), hashed, "Content-Type: text/css; charset=utf-8\r\nAccept-Ranges: bytes\r\nETag: \"a1\"\r\n" + date + "Cache-Control: public, max-age=31536000, immutable\r\n"},
		{"max_age 0", request("GET"), never, "Content-Type: text/css; charset=utf-8\r\nAccept-Ranges: bytes\r\nETag: \"a1\"\r\n" + date + "Cache-Control: no-cache\r\n"},
		{"compressed", request("GET"), coded, "Content-Type: text/css; charset=utf-8\r\nContent-Encoding: br\r\nAccept-Ranges: bytes\r\nETag: \"a1\"\r\n" + date + "Cache-Control: public, max-age=3600\r\nVary: Accept-Encoding\r\n"},
		{"304", request("GET", "If-None-Match: *"), coded, "ETag: \"a1\"\r\n" + date + "Cache-Control: public, max-age=3600\r\nVary: Accept-Encoding\r\n"},
		{"206", request("GET", "Range: bytes=1-2"), coded, "Content-Type: text/css; charset=utf-8\r\nContent-Encoding: br\r\nContent-Range: bytes 1-2/10\r\nETag: \"a1\"\r\n" + date + "Cache-Control: public, max-age=3600\r\nVary: Accept-Encoding\r\n"},
		{"206 of parts", request("GET", "Range: bytes=1-2,4-4"), tenBytes(), "Content-Type: multipart/byteranges; boundary=B\r\nETag: \"a1\"\r\n" + date + "Cache-Control: public, max-age=3600\r\n"},
		{"416", request("GET", "Range: bytes=10-"), tenBytes(), "Content-Type: text/plain; charset=utf-8\r\nContent-Range: bytes */10\r\n"},
		{"405", request("DELETE"), tenBytes(), "Content-Type: text/plain; charset=utf-8\r\nAllow: GET, HEAD\r\n"},
	} {
		if got := string(decide(c.r, c.f, func() string { return "B" }).Fields); got != c.want {
			t.Errorf("%s:\n%s\nwant:\n%s", c.name, got, c.want)
		}
	}
}

func TestAcceptEncoding(t *testing.T) {
	all := []Form{Zstd, Brotli, Gzip}
	for _, c := range []struct {
		accept string
		there  []Form
		want   Form
	}{
		{"", all, Plain},
		{"gzip", all, Gzip},
		{"x-gzip", all, Gzip},
		{"GZIP", all, Gzip},
		{"gzip, deflate, br, zstd", all, Zstd},
		{"gzip, deflate, br", all, Brotli},
		{"gzip, deflate, br", []Form{Gzip}, Gzip},
		{"gzip;q=0", all, Plain},
		{"gzip;q=0.000", all, Plain},
		{"gzip; q=0.001", all, Gzip},
		{"br;q=0.5, gzip;q=0.8", all, Gzip},
		{"br;q=0.5, gzip;q=0.8", []Form{Brotli}, Brotli},
		{"br;q=0.5, identity", all, Plain},
		{"gzip, identity", all, Gzip},
		{"identity;q=0", nil, Plain},
		{"identity;q=0, gzip", all, Gzip},
		{"*", all, Zstd},
		{"*;q=0", all, Plain},
		{"*;q=0, br", all, Brotli},
		{"zstd;q=0, *", all, Brotli},
		{"gzipped", all, Plain},
		{"notgzip, agzip", all, Plain},
		{"gzip;q=2", all, Plain},
		{"gzip;q=0.5555", all, Plain},
		{"gzip;level=9", all, Plain},
		{",, gzip ,", all, Gzip},
		{"deflate", all, Plain},
	} {
		got := wants([]byte(c.accept)).choose(func(f Form) bool {
			return slices.Contains(c.there, f)
		})
		if got != c.want {
			t.Errorf("Accept-Encoding %q with %v: form %d, want %d", c.accept, c.there, got, c.want)
		}
	}
}

// TestNames: which names are looked for at all, in every spelling.
func TestNames(t *testing.T) {
	s := New(Options{Blocks: []Block{{URL: "/static/", Dir: "app/static"}, {URL: "/static/admin/", Dir: "admin"}, {URL: "/media files/", Dir: "media"}}, Crew: &Crew{}}, nil)
	for _, c := range []struct{ path, url, name string }{
		{"/static/a.css", "/static/", "a.css"},
		{"/static/css/a.css", "/static/", "css/a.css"},
		{"/static/admin/a.css", "/static/admin/", "a.css"},
		{"/static/administration.css", "/static/", "administration.css"},
		{"/%73tatic/a%2Ecss", "/static/", "a.css"},
		{"/static/css%2Fa.css", "/static/", "css/a.css"},
		{"/static/a%20b.css", "/static/", "a b.css"},
		{"/media%20files/x", "/media files/", "x"},
		{"/static/..a/b..c/d...", "/static/", ""},
		{"/static/a..b", "/static/", "a..b"},
		{"/static/%C3%A4.css", "/static/", "ä.css"},
		{"/static/a\\..\\b", "/static/", "a\\..\\b"},

		{"/static/", "", ""}, {"/static", "", ""}, {"/static/css/", "", ""}, {"/other/a.css", "", ""}, {"/", "", ""}, {"*", "", ""},
		{"/static//a.css", "", ""}, {"//static/a.css", "", ""}, {"/static/css//a.css", "", ""},
		{"/static/../a", "", ""}, {"/static/./a", "", ""}, {"/static/a/..", "", ""}, {"/static/a/../b", "", ""}, {"/static/..", "", ""},
		{"/static/%2e%2e/a", "", ""}, {"/static/%2E./a", "", ""}, {"/static/..%2fa", "", ""}, {"/static/%2e%2e%2fa", "", ""},
		{"/static/a/%2e%2e%2f%2e%2e/b", "", ""}, {"/static%2f..%2fa", "", ""}, {"/static/%2Fetc/hosts", "", ""},
		{"/static/%252e%252e/a", "/static/", "%2e%2e/a"}, // decoded once
		{"/static/.git/config", "", ""}, {"/static/.env", "", ""}, {"/static/%2eenv", "", ""}, {"/static/a/.b", "", ""},
		{"/static/a%00.css", "", ""}, {"/static/a%0", "", ""}, {"/static/a%zz", "", ""}, {"/static/a%", "", ""},
		{"/static/" + strings.Repeat("a", maxName+1), "", ""},
	} {
		var q Query
		got := s.Match(&wsgi.Request{Method: []byte("GET"), Path: []byte(c.path)}, &q)
		if want := c.name != ""; got != want || got && (q.name != c.name || q.mount.url != c.url) {
			t.Errorf("%s: %v %q", c.path, got, q.name)
		}
	}
}

func TestHashed(t *testing.T) {
	for name, want := range map[string]bool{
		"css/base.5f3c9a1b2d4e.css": true, // Django
		"main.073c9b0a.js":          true, "main.073c9b0a.chunk.js": true, "main.073c9b0a.css.map": true,
		"app-5f3c9a1b2d4e5f3c9a1b.js": true,
		"app.js":                      false, "jquery-3.7.1.min.js": false, "a.12345678.css": false, "backup.202401011230.csv": false,
		"a.abcdefab.css": false, "a.5F3C9A1B2D4E.css": false, "5f3c9a1b2d4e.css": false, "a.5f3c9a1b2d4e": false,
		"photo-a716-446655440000.jpg": false, "x-5f3c9a1b2d4e.png": false, "5f3c9a1b2d4e.dir/a.css": false,
	} {
		if got := Hashed(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestContentType(t *testing.T) {
	for name, want := range map[string]string{
		"a.css": "text/css; charset=utf-8", "a/b.JS": "text/javascript; charset=utf-8", "a.json": "application/json", "a.png": "image/png",
		"a.svg": "image/svg+xml", "a.woff2": "font/woff2", "a.tar.gz": "application/gzip", "a.unheard": "application/octet-stream",
		"css": "application/octet-stream", "dir.css/file": "application/octet-stream", "a.wasm": "application/wasm",
	} {
		if got := contentType(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
