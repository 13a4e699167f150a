package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

const hello = `
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
    return [b"hello\n"]
`

func webApp(t testing.TB, source string) string {
	t.Helper()
	return appFolder(t, map[string]string{"app/web.py": source})
}

var web = options{config: wsgi.Config{WSGIApp: "web:application"}}

// routes runs, inside wsgiref's validator, the function that PATH_INFO names.
const routes = `
import io, os, sys, tempfile
from wsgiref.validate import validator

def route(environ, start_response):
    return globals()[environ["PATH_INFO"].strip("/")](environ, start_response)

application = validator(route)
raw = route
TEXT = [("Content-Type", "text/plain")]

def start_of(n):
    return TEXT + [("Content-Length", str(n))]
`

func TestSimpleResponseIsOneMessage(t *testing.T) {
	w, ready := startReady(t, webApp(t, hello), web)
	if ready.Loader != "wsgi" || ready.App != "web:application" || ready.ImportMS <= 0 ||
		ready.Python == "" || len(ready.Warnings) != 0 || ready.Filters {
		t.Errorf("ready is %+v", ready)
	}
	for range 3 {
		r := w.get("/")
		if r.String() != "200 OK hello\n" || r.kinds != "h" || !r.last {
			t.Errorf("got %+v", r)
		}
		if r.header("Content-Type") != "text/plain" || r.header("Content-Length") != "6" {
			t.Errorf("headers %q", r.headers)
		}
	}
	if log := w.quit(); log != "" {
		t.Errorf("log: %s", log)
	}
}

// Several requests in one message are served in their order, each answered
// before the next is begun; what is logged names the one it is about.
func TestSeveralRequestsInOneMessage(t *testing.T) {
	w, _ := startReady(t, webApp(t, routes+`
def path(environ, start_response):
    start_response("200 OK", TEXT)
    return [environ["wsgi.input"].read(99) + environ["QUERY_STRING"].encode()]

def fails(environ, start_response):
    environ["REQUEST_METHOD"] = "gone"
    raise ValueError("no")

def streams(environ, start_response):
    start_response("200 OK", TEXT)
    return iter([b"a", b"b"])
`), web)
	s := w.slots[0]
	s.seq = 1<<32 - 4 // numbers need all of their 32 bits, and begin anew
	want := []string{"200 OK first", "500 Internal Server Error Internal Server Error\n", "200 OK ab", "200 OK ", "200 OK last"}
	seqs := s.requests(
		map[string]any{"PATH_INFO": "/path", "QUERY_STRING": "first"},
		map[string]any{"PATH_INFO": "/fails", "REQUEST_METHOD": "PUT"},
		map[string]any{"PATH_INFO": "/streams"},
		map[string]any{"PATH_INFO": "/path", "QUERY_STRING": "head", "REQUEST_METHOD": "HEAD"},
		map[string]any{"PATH_INFO": "/path", "QUERY_STRING": "last"},
	)
	for i, seq := range seqs {
		s.seq = seq
		if r := s.response(); r.String() != want[i] {
			t.Errorf("answer %d: got %q, want %q", i, r, want[i])
		}
	}
	if r := s.do(map[string]any{"PATH_INFO": "/path"}, "alone"); r.String() != "200 OK alone" {
		t.Errorf("after them: %q", r)
	}
	if log := w.quit(); !strings.Contains(log, "PUT /fails: the application raised ValueError: no\n") {
		t.Errorf("log: %s", log)
	}
}

// The types of messages tell how a response went out; upper case stands for
// FlagEnd.
func (r *response) way() string {
	if !r.last {
		return r.kinds
	}
	n := len(r.kinds) - 1
	return r.kinds[:n] + strings.ToUpper(r.kinds[n:])
}

func TestResponses(t *testing.T) {
	w, _ := startReady(t, webApp(t, routes+`
def one(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"one"]

def several(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"a", b"", b"bc"]

def tuple_(environ, start_response):
    start_response("200 OK", TEXT)
    return (b"a", b"bc")

def empty(environ, start_response):
    start_response("200 OK", TEXT)
    return []

def empty_strings(environ, start_response):
    start_response("200 OK", TEXT)
    return iter([b"", b""])

def stream(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"a"
    yield b""
    yield b"bc"

def late_start(environ, start_response):
    yield b""
    start_response("200 OK", TEXT)
    yield b"late"

def stream_with_length(environ, start_response):
    start_response("200 OK", start_of(3))
    yield b"a"
    yield b"bc"

def iterator_with_length(environ, start_response):
    start_response("200 OK", start_of(3))
    return iter([b"abc"])

class Sized:
    def __init__(self, *blocks): self.blocks = blocks
    def __len__(self): return len(self.blocks)
    def __iter__(self): return iter(self.blocks)

def sized(environ, start_response):
    start_response("200 OK", TEXT)
    return Sized(b"abc")

def sized_two(environ, start_response):
    start_response("200 OK", TEXT)
    return Sized(b"a", b"bc")

def written(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"a")
    write(b"")
    write(b"b")
    return [b"c"]

def written_with_length(environ, start_response):
    write = start_response("200 OK", start_of(2))
    write(b"a")
    write(b"b")
    return []

def no_content(environ, start_response):
    start_response("204 No Content", [])
    return []

def no_content_with_body(environ, start_response):
    start_response("204 No Content", start_of(4))
    return [b"body"]

def not_modified(environ, start_response):
    start_response("304 Not Modified", [("ETag", '"1"')])
    return [b"body"]

def not_found(environ, start_response):
    start_response("404 Not Found", TEXT)
    return [b"none"]

def odd_status(environ, start_response):
    start_response("299 ", TEXT)
    return [b"odd"]

def no_reason(environ, start_response):
    start_response("200", TEXT)
    return [b"bare"]

class AskedOnce:
    "As some that open a cursor or a lock there."
    def __init__(self, *blocks): self.blocks, self.asked = list(blocks), 0
    def __iter__(self):
        self.asked += 1
        if self.asked > 1: raise RuntimeError("__iter__ is called twice")
        return self
    def __next__(self):
        if not self.blocks: raise StopIteration
        return self.blocks.pop(0)

def asked_once(environ, start_response):
    start_response("200 OK", TEXT)
    return AskedOnce(b"a", b"", b"bc")

def asked_once_list(environ, start_response):
    class Blocks(list):
        asked = 0
        def __iter__(self):
            self.asked += 1
            if self.asked > 1: raise RuntimeError("__iter__ is called twice")
            return list.__iter__(self)
    start_response("200 OK", TEXT)
    return Blocks([b"abc"])

def only_getitem(environ, start_response):
    class Old:
        def __getitem__(self, i): return (b"a", b"bc")[i]
    start_response("200 OK", TEXT)
    return Old()

def many_headers(environ, start_response):
    start_response("200 OK", TEXT + [
        ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Latin", "caf\xe9"), ("x-tab", "a\tb"), ("X-Empty", "")])
    return [b""]

def large(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"x" * 400000]

def large_stream(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"x" * 200000
    yield b"y" * 200000

def large_write(environ, start_response):
    start_response("200 OK", TEXT)(b"x" * 200000)
    return [b"y" * 200000]
`), options{config: wsgi.Config{WSGIApp: "web:raw"}})
	x, y := strings.Repeat("x", 200000), strings.Repeat("y", 200000)
	for _, c := range []struct{ path, body, way, length string }{
		{"one", "one", "H", ""},
		{"several", "abc", "H", "3"},
		{"tuple_", "abc", "H", "3"},
		{"empty", "", "H", "0"},
		{"empty_strings", "", "H", ""},
		{"stream", "abc", "hde", ""},
		{"late_start", "late", "he", ""},
		{"stream_with_length", "abc", "hD", "3"},
		{"iterator_with_length", "abc", "H", "3"},
		{"sized", "abc", "H", "3"},
		{"sized_two", "abc", "hde", ""},
		{"asked_once", "abc", "hde", ""},
		{"asked_once_list", "abc", "H", "3"},
		{"only_getitem", "abc", "hde", ""},
		{"written", "abc", "hdde", ""},
		{"written_with_length", "ab", "hD", "2"},
		{"large", x + x, "hdD", "400000"},
		{"large_stream", x + y, "hddde", ""},
		{"large_write", x + y, "hddde", ""},
	} {
		r := w.get("/" + c.path)
		if r.status != "200 OK" || r.body != c.body || r.way() != c.way || r.header("Content-Length") != c.length {
			t.Errorf("%s: got %s, %d bytes %.20q, messages %s, headers %q; want messages %s, length %q",
				c.path, r.status, len(r.body), r.body, r.way(), r.headers, c.way, c.length)
		}
	}
	for path, want := range map[string]string{
		"no_content":           `"204 No Content" [] "" H`,
		"no_content_with_body": `"204 No Content" ["Content-Type: text/plain"] "" H`,
		"not_modified":         `"304 Not Modified" ["ETag: \"1\""] "" H`,
		"not_found":            `"404 Not Found" ["Content-Type: text/plain"] "none" H`,
		"no_reason":            `"200" ["Content-Type: text/plain"] "bare" H`,
		"odd_status":           `"299 " ["Content-Type: text/plain"] "odd" H`,
		"many_headers": `"200 OK" ["Content-Type: text/plain" "Set-Cookie: a=1" "Set-Cookie: b=2" ` +
			`"X-Latin: caf\xe9" "x-tab: a\tb" "X-Empty: "] "" H`,
	} {
		r := w.get("/" + path)
		if got := fmt.Sprintf("%q %q %q %s", r.status, r.headers, r.body, r.way()); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	if log := w.quit(); log != "" {
		t.Errorf("log: %s", log)
	}
}

func TestHEADHasNoBody(t *testing.T) {
	w, _ := startReady(t, webApp(t, routes+`
def one(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"one"]

def empty(environ, start_response):
    start_response("200 OK", TEXT)
    return []

def with_length(environ, start_response):
    start_response("200 OK", start_of(1000))
    return []

class Endless:
    def __iter__(self): return self
    def __next__(self): return b"x"
    def close(self): sys.stderr.write("closed\n")

def endless(environ, start_response):
    start_response("200 OK", TEXT)
    return Endless()

def broken(environ, start_response):
    raise ValueError("no")
`), options{config: wsgi.Config{WSGIApp: "web:raw"}})
	for _, c := range []struct{ path, want string }{
		{"one", `200 OK ["Content-Type: text/plain" "Content-Length: 3"]`},
		{"empty", `200 OK ["Content-Type: text/plain"]`},
		{"with_length", `200 OK ["Content-Type: text/plain" "Content-Length: 1000"]`},
		{"endless", `200 OK ["Content-Type: text/plain"]`},
		{"broken", `500 Internal Server Error ["Content-Type: text/plain; charset=utf-8" "Content-Length: 22"]`},
	} {
		r := w.slots[0].do(map[string]any{"PATH_INFO": "/" + c.path, "REQUEST_METHOD": "HEAD"}, "")
		if got := fmt.Sprintf("%s %q", r.status, r.headers); got != c.want || r.body != "" || r.way() != "H" {
			t.Errorf("%s: got %s %q %s, want %s", c.path, got, r.body, r.way(), c.want)
		}
	}
	if log := w.quit(); strings.Count(log, "closed") != 1 {
		t.Errorf("log: %s", log)
	}
}

// Everything that a careful application does must satisfy wsgiref's validator.
func TestValidator(t *testing.T) {
	w, _ := startReady(t, webApp(t, routes+`
def echo(environ, start_response):
    body = environ["wsgi.input"].read(5)
    body += environ["wsgi.input"].readline(1000)
    body += b"".join(environ["wsgi.input"].readlines(100))
    body += b"".join(environ["wsgi.input"])
    body += environ["wsgi.input"].read(10)
    environ["wsgi.errors"].write("noted\n")
    environ["wsgi.errors"].flush()
    start_response("200 OK", start_of(len(body)))
    return [body]

def stream(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"w")
    return iter([b"a", b"b"])

def file(environ, start_response):
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](io.BytesIO(b"content"))

def keys(environ, start_response):
    text = repr(sorted((k, v) for k, v in environ.items()
        if k.startswith("wsgi.") and k not in ("wsgi.input", "wsgi.errors", "wsgi.file_wrapper")))
    start_response("200 OK", TEXT)
    return [text.encode()]
`), web)
	for _, body := range []string{"", "one\ntwo\nthree\nfour", strings.Repeat("0123456789\n", 5000)} {
		e := map[string]any{"PATH_INFO": "/echo", "REQUEST_METHOD": "POST", "CONTENT_TYPE": "text/plain",
			"CONTENT_LENGTH": fmt.Sprint(len(body))}
		if r := w.slots[0].do(e, body); r.String() != "200 OK "+body {
			t.Errorf("echo of %d bytes: %d bytes, %.300s", len(body), len(r.body), r)
		}
	}
	want := "200 OK [('wsgi.input_terminated', True), ('wsgi.multiprocess', True), ('wsgi.multithread', False), " +
		"('wsgi.run_once', False), ('wsgi.url_scheme', 'http'), ('wsgi.version', (1, 0))]"
	for path, want := range map[string]string{
		"stream": "200 OK wab", "file": "200 OK content", "keys": want,
	} {
		if r := w.get("/" + path); r.String() != want {
			t.Errorf("%s: %s, want %s", path, r, want)
		}
	}
	if log := w.quit(); log != strings.Repeat("noted\n", 3) {
		t.Errorf("log: %s", log)
	}
}

func TestBodyInFile(t *testing.T) {
	w, _ := startReady(t, webApp(t, routes+`
import hashlib, resource

def digest(environ, start_response):
    h, n = hashlib.sha1(), 0
    stream = environ["wsgi.input"]
    for part in iter(lambda: stream.read(65536), b""):
        h.update(part)
        n += len(part)
    assert stream.read() == b"" and stream.readline() == b"" and stream.readlines() == []
    start_response("200 OK", TEXT)
    return [("%d %s" % (n, h.hexdigest())).encode()]

def lines(environ, start_response):
    first = environ["wsgi.input"].readline()
    start_response("200 OK", TEXT)
    return [b"%d lines" % (1 + sum(1 for _ in environ["wsgi.input"])), first]

def unread(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"unread"]

def fds(environ, start_response):
    start_response("200 OK", TEXT)
    return [" ".join(sorted(os.listdir("/proc/self/fd"), key=int)).encode()]
`), options{config: wsgi.Config{WSGIApp: "web:raw"}})
	f, err := os.Create(filepath.Join(t.TempDir(), "body"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(strings.Repeat("0123456789abcde\n", 1<<18)); err != nil {
		t.Fatal(err)
	}
	before := w.get("/fds").body
	for path, want := range map[string]string{
		"digest": "200 OK 4194304 6a5e5d6e8c3b5dd5e1ba2a3c2a2e1f1e39f7b7fb",
		"lines":  "200 OK 262144 lines0123456789abcde\n",
		"unread": "200 OK unread",
	} {
		if _, err := f.Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		w.slots[0].requestFile(map[string]any{"PATH_INFO": "/" + path, "REQUEST_METHOD": "POST"}, f)
		r := w.slots[0].response()
		if path == "digest" {
			r.body, want = r.body[:7], "200 OK 4194304"
		}
		if r.String() != want {
			t.Errorf("%s: %s, want %s", path, r, want)
		}
	}
	if after := w.get("/fds").body; after != before {
		t.Errorf("descriptors: %s, before %s", after, before)
	}
	w.quit()
}

func TestFileWrapper(t *testing.T) {
	dir := webApp(t, routes+`
import gzip
HERE = os.path.dirname(__file__)

class Noted:
    def __init__(self, f): self.f = f
    def read(self, n): return self.f.read(n)
    def close(self):
        sys.stderr.write("closed\n")
        self.f.close()

def wrap(environ, start_response, f, headers=TEXT):
    start_response("200 OK", headers)
    return environ["wsgi.file_wrapper"](f, 4096)

def whole(environ, start_response):
    return wrap(environ, start_response, open(HERE + "/large", "rb"))

def part(environ, start_response):
    f = open(HERE + "/large", "rb")
    f.read(10)
    return wrap(environ, start_response, f, start_of(100000))

def small(environ, start_response):
    return wrap(environ, start_response, open(HERE + "/small", "rb"))

def raw_file(environ, start_response):
    return wrap(environ, start_response, open(HERE + "/large", "rb", 0))

def temp(environ, start_response):
    f = tempfile.NamedTemporaryFile()
    f.write(b"z" * 70000)
    f.seek(0)
    return wrap(environ, start_response, f)

def of_proc(environ, start_response):
    return wrap(environ, start_response, open("/proc/sys/kernel/ostype", "rb"))

def of_sys(environ, start_response):
    return wrap(environ, start_response, open("/sys/devices/system/cpu/possible", "rb"))

def empty(environ, start_response):
    return wrap(environ, start_response, open(HERE + "/empty", "rb"))

def at_end(environ, start_response):
    f = open(HERE + "/small", "rb")
    f.seek(0, 2)
    return wrap(environ, start_response, f)

def too_short(environ, start_response):
    return wrap(environ, start_response, open(HERE + "/large", "rb"), start_of(1000000))

# findings/gunicorn-and-uwsgi-send-what-lies-below-a-file.sh
def packed(environ, start_response):
    return wrap(environ, start_response, gzip.open(HERE + "/packed.gz", "rb"))

def pipe(environ, start_response):
    r, w = os.pipe()
    os.write(w, b"piped")
    os.close(w)
    return wrap(environ, start_response, open(r, "rb"))

def closing(environ, start_response):
    return wrap(environ, start_response, Noted(open(HERE + "/small", "rb")))

class Skipping:
    "What answers a Range: it skips to its start, by reading where it cannot seek."
    def __init__(self, blocks, start):
        self.blocks, self.skipped = iter(blocks), 0
        self.close = blocks.close
        if blocks.seekable():
            blocks.seek(start)
            self.skipped = start - blocks.tell()
    def __iter__(self): return self
    def __next__(self): return next(self.blocks)

def skipping(environ, start_response):
    return Skipping(wrap(environ, start_response, open(HERE + "/large", "rb")), 299990)

def sought(environ, start_response):
    wrapper = wrap(environ, start_response, open(HERE + "/large", "rb"))
    wrapper.seek(-10, 2)
    return wrapper

def can_seek(environ, start_response):
    start_response("200 OK", TEXT)
    r, w = os.pipe()
    os.close(w)
    class Old:
        def seek(self, at): pass
    with open(r, "rb") as pipe, open(HERE + "/large", "rb") as plain, open(HERE + "/large", "rb", 0) as unbuffered:
        files = [plain, unbuffered, pipe, Old(), object()]
        return [repr([environ["wsgi.file_wrapper"](f).seekable() for f in files]).encode()]

def fds(environ, start_response):
    start_response("200 OK", TEXT)
    return [" ".join(sorted(os.listdir("/proc/self/fd"), key=int)).encode()]

with gzip.open(HERE + "/packed.gz", "wb") as f:
    f.write(b"unpacked")
`)
	possible, err := os.ReadFile("/sys/devices/system/cpu/possible")
	if err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("0123456789", 30000)
	for name, content := range map[string]string{"large": large, "small": "small file", "empty": ""} {
		if err := os.WriteFile(filepath.Join(dir, "app", name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w, _ := startReady(t, dir, options{config: wsgi.Config{WSGIApp: "web:raw"}})
	w.get("/pipe") // the first streamed response maps the abort table
	before := w.get("/fds").body
	for _, c := range []struct{ path, body, way, file, length string }{
		{"whole", large, "hF", "0+300000", "300000"},
		{"part", large[10:100010], "hF", "10+100000", "100000"},
		{"small", "small file", "H", "", "10"},
		{"raw_file", large, "hF", "0+300000", "300000"},
		{"temp", strings.Repeat("z", 70000), "hF", "0+70000", "70000"},
		{"at_end", "", "H", "", "0"},
		{"of_proc", "Linux\n", "he", "", ""},
		{"of_sys", string(possible), "he", "", ""}, // 4096 bytes, says the kernel
		{"empty", "", "H", "", "0"},
		{"packed", "unpacked", "he", "", ""},
		{"pipe", "piped", "he", "", ""},
		{"closing", "small file", "he", "", ""},
		{"skipping", "0123456789", "he", "", ""},
		{"sought", "0123456789", "H", "", "10"},
		{"can_seek", "[True, True, False, True, False]", "H", "", ""},
	} {
		r := w.get("/" + c.path)
		if r.status != "200 OK" || r.body != c.body || r.way() != c.way || r.file != c.file ||
			r.header("Content-Length") != c.length {
			t.Errorf("%s: got %s, %d bytes %.20q, messages %s, file %s, headers %q", c.path, r.status,
				len(r.body), r.body, r.way(), r.file, r.headers)
		}
	}
	r := w.slots[0].do(map[string]any{"PATH_INFO": "/whole", "REQUEST_METHOD": "HEAD"}, "")
	if r.way() != "H" || r.body != "" || r.header("Content-Length") != "300000" {
		t.Errorf("HEAD: %+v", r)
	}
	if r := w.get("/too_short"); r.status != "500 Internal Server Error" {
		t.Errorf("too short: %+v", r)
	}
	if after := w.get("/fds").body; after != before {
		t.Errorf("descriptors: %s, before %s", after, before)
	}
	want := "closed\nblog: GET /too_short: the application promised 1000000 bytes (Content-Length) and gave 0\n"
	if log := w.quit(); log != want {
		t.Errorf("log: %s", log)
	}
}
