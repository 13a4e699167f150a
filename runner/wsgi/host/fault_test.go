package host_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

var raw = options{config: wsgi.Config{WSGIApp: "web:raw"}}

const serverError = "500 Internal Server Error Internal Server Error\n"

// Every mistake of an application has an entry in the log that says what to
// mend; after any of them the worker serves on.
func TestMistakesOfApplications(t *testing.T) {
	w, _ := startReady(t, webApp(t, routes+`
def raises(environ, start_response):
    raise ValueError("no\nway")

def raises_late(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"begun"
    raise ValueError("late")

def raises_before_block(environ, start_response):
    start_response("200 OK", TEXT)
    yield b""
    raise ValueError("early")

def exits(environ, start_response):
    sys.exit(3)

def interrupts(environ, start_response):
    raise KeyboardInterrupt

def no_start(environ, start_response):
    return [b"body"]

def no_start_empty(environ, start_response):
    return []

def none(environ, start_response):
    start_response("200 OK", TEXT)

def single_bytes(environ, start_response):
    start_response("200 OK", TEXT)
    return b"body"

def single_str(environ, start_response):
    start_response("200 OK", TEXT)
    return "body"

def number(environ, start_response):
    start_response("200 OK", TEXT)
    return 5

def strs(environ, start_response):
    start_response("200 OK", TEXT)
    return ["body"]

def str_stream(environ, start_response):
    start_response("200 OK", TEXT)
    yield "body"

def write_str(environ, start_response):
    start_response("200 OK", TEXT)("body")
    return []

def too_long(environ, start_response):
    start_response("200 OK", start_of(2))
    return [b"body"]

def too_long_stream(environ, start_response):
    start_response("200 OK", start_of(2))
    yield b"b"
    yield b"ody"
    yield b"more"

def too_long_write(environ, start_response):
    write = start_response("200 OK", start_of(2))
    write(b"body")
    return [b"more"]

def zero_length(environ, start_response):
    start_response("200 OK", start_of(0))
    return [b"body"]

def too_short(environ, start_response):
    start_response("200 OK", start_of(10))
    return [b"body"]

def too_short_stream(environ, start_response):
    start_response("200 OK", start_of(10))
    yield b"bo"
    yield b"dy"

def twice(environ, start_response):
    start_response("200 OK", TEXT)
    start_response("200 OK", TEXT)
    return [b"body"]

def bad_close(environ, start_response):
    class Result(list):
        def close(self): raise ValueError("close")
    start_response("200 OK", TEXT)
    return Result([b"body"])
`), raw)
	for _, c := range []struct {
		path, want, way, log string
	}{
		{"raises", serverError, "H", "the application raised ValueError: no way"},
		{"raises_late", "200 OK begun", "ha", "the application raised ValueError: late"},
		{"raises_before_block", serverError, "H", "the application raised ValueError: early"},
		{"exits", serverError, "H", "the application raised SystemExit: a request must not end the worker"},
		{"interrupts", serverError, "H", "the application raised KeyboardInterrupt"},
		{"no_start", serverError, "H", "the application did not call start_response before its first block"},
		{"no_start_empty", serverError, "H", "the application did not call start_response before its first block"},
		{"none", serverError, "H", "the application returned None, not an iterable of bytes"},
		{"single_bytes", serverError, "H", "the application returned a single bytes, not an iterable of bytes"},
		{"single_str", serverError, "H", "the application returned a single str, not an iterable of bytes"},
		{"number", serverError, "H", "the application returned int 5, not an iterable of bytes"},
		{"strs", serverError, "H", "the application returned a list with str 'body', not bytes: encode it"},
		{"str_stream", serverError, "H", "the application's iterable gave str 'body', not bytes: encode it"},
		{"write_str", serverError, "H", "write() was given str 'body', not bytes: encode it"},
		{"too_long", "200 OK bo", "H", "the application gave more than the 2 bytes it promised (Content-Length): the surplus is dropped"},
		{"too_long_stream", "200 OK bo", "hD", "the application gave more than the 2 bytes it promised (Content-Length): the surplus is dropped"},
		{"too_long_write", "200 OK bo", "H", "the application gave more than the 2 bytes it promised (Content-Length): the surplus is dropped"},
		{"zero_length", "200 OK ", "H", "the application gave more than the 0 bytes it promised (Content-Length): the surplus is dropped"},
		{"too_short", serverError, "H", "the application promised 10 bytes (Content-Length) and gave 4"},
		{"too_short_stream", "200 OK body", "hda", "the application promised 10 bytes (Content-Length) and gave 4"},
		{"twice", serverError, "H", "the application raised AssertionError: start_response was called twice without exc_info"},
		{"bad_close", "200 OK body", "H", "the application raised ValueError: close"},
	} {
		before := len(w.log.String())
		r := w.get("/" + c.path)
		if r.String() != c.want || r.way() != c.way {
			t.Errorf("%s: got %s, messages %s; want %s, %s", c.path, r, r.way(), c.want, c.way)
		}
		want := "blog: GET /" + c.path + ": " + c.log + "\n"
		w.waitLog(want)
		if log := w.log.String()[before:]; strings.Count(log, "blog: GET ") != 1 {
			t.Errorf("%s: log is %s", c.path, log)
		}
	}
	log := w.quit()
	if strings.Contains(log, hostDir(t)) {
		t.Errorf("a traceback shows the host's own frames:\n%s", log)
	}
	if !strings.Contains(log, "web.py\", line 15, in raises\n    raise ValueError(\"no\\nway\")\nValueError: no\nway\n") {
		t.Errorf("log has no traceback of raises:\n%s", log)
	}
}

func TestStatusAndHeaderChecks(t *testing.T) {
	w, _ := startReady(t, webApp(t, routes+`
CASES = [
    (200, TEXT),
    (b"200 OK", TEXT),
    ("OK 200", TEXT),
    ("2000 OK", TEXT),
    ("100 Continue", TEXT),
    ("600 Odd", TEXT),
    ("200 OK\r\nX: y", TEXT),
    ("200 \u20ac", TEXT),
    ("200 OK", tuple(TEXT)),
    ("200 OK", dict(TEXT)),
    ("200 OK", ["Content-Type: text/plain"]),
    ("200 OK", [("X",)]),
    ("200 OK", [(b"X", "y")]),
    ("200 OK", [("X", b"y")]),
    ("200 OK", [("Content-Length", 5)]),
    ("200 OK", [("Content-Length", "five")]),
    ("200 OK", [("Content-Length", "-1")]),
    ("200 OK", [("Content-Length", "5"), ("content-length", "6")]),
    ("200 OK", [("X", "a\r\nSet-Cookie: b=c")]),
    ("200 OK", [("X", "a\nb")]),
    ("200 OK", [("X", "a\0b")]),
    ("200 OK", [("X", "a\x7fb")]),
    ("200 OK", [("X", "\u20ac")]),
    ("200 OK", [("X: y\r\nZ", "a")]),
    ("200 OK", [("X Y", "a")]),
    ("200 OK", [("", "a")]),
    ("200 OK", [("X\xe9", "a")]),
    ("200 OK", [("X", "y" * 100000)]),
    ("200", [("X", "a\nb")]),
    ("20", TEXT),
    ("200OK", TEXT),
    ("200 OK", [("Connection", "close\r\nX: y")]),
    ("200 OK", [("Connection", b"close")]),
]

def raw(environ, start_response):
    start_response(*CASES[int(environ["PATH_INFO"][1:])])
    return [b"body"]
`), raw)
	for i, want := range []string{
		"TypeError: status must be a str such as '200 OK', not int 200",
		"TypeError: status must be a str such as '200 OK', not bytes b'200 OK'",
		"ValueError: status must be such as '200 OK', not 'OK 200'",
		"ValueError: status must be such as '200 OK', not '2000 OK'",
		"ValueError: status '100 Continue' is not a final one: it must be from 200 to 599",
		"ValueError: status '600 Odd' is not a final one: it must be from 200 to 599",
		`ValueError: status holds a control character: '200 OK\r\nX: y'`,
		"ValueError: status must hold latin-1 characters only: '200 €'",
		"TypeError: response headers must be a list of (name, value) tuples, not tuple",
		"TypeError: response headers must be a list of (name, value) tuples, not dict",
		"TypeError: a response header must be a (name, value) tuple, not 'Content-Type: text/plain'",
		"TypeError: a response header must be a (name, value) tuple, not ('X',)",
		"TypeError: a header name must be a str, not bytes b'X'",
		"TypeError: header X must be a str, not bytes b'y'",
		"TypeError: header Content-Length must be a str, not int 5",
		"ValueError: header Content-Length must be a number, not 'five'",
		"ValueError: header Content-Length must be a number, not '-1'",
		"ValueError: header Content-Length is given twice: 5 and 6",
		`ValueError: header X holds a control character: 'a\r\nSet-Cookie: b=c'`,
		`ValueError: header X holds a control character: 'a\nb'`,
		`ValueError: header X holds a control character: 'a\x00b'`,
		`ValueError: header X holds a control character: 'a\x7fb'`,
		"ValueError: header X must hold latin-1 characters only: '€'",
		`ValueError: 'X: y\r\nZ' is not a header name`,
		"ValueError: 'X Y' is not a header name",
		"ValueError: '' is not a header name",
		"ValueError: 'Xé' is not a header name",
		"ValueError: the response's headers are 100013 bytes long: too many",
		`ValueError: header X holds a control character: 'a\nb'`,
		"ValueError: status must be such as '200 OK', not '20'",
		"ValueError: status must be such as '200 OK', not '200OK'",
		`ValueError: header Connection holds a control character: 'close\r\nX: y'`,
		"TypeError: header Connection must be a str, not bytes b'close'",
	} {
		path := "/" + strconv.Itoa(i)
		// Twice: what was refused once must not have been remembered as good.
		for range 2 {
			if r := w.get(path); r.String() != serverError {
				t.Errorf("case %d: got %s, want a 500 for %s", i, r, want)
			}
		}
		entry := "blog: GET " + path + ": the application raised " + want + "\n"
		await.True(t, "two entries "+entry, func() bool { return strings.Count(w.log.String(), entry) == 2 })
	}
	w.quit()
}

// Headers that are the server's are dropped wherever they come, and told once;
// the response is served.
func TestHopByHopHeadersAreDropped(t *testing.T) {
	w, _ := startReady(t, webApp(t, routes+`
def raw(environ, start_response):
    start_response("200 OK", [
        ("Connection", "keep-alive, upgrade"), ("Keep-Alive", "timeout=5"), ("X-Kept", "1"), ("transfer-encoding", "chunked"),
        ("Upgrade", "h2c"), ("TE", "trailers"), ("Trailer", "X"), ("Trailers", "X"), ("Proxy-Authenticate", "Basic"),
        ("Proxy-Authorization", "x"), ("Proxy-Connection", "close"), ("Content-Length", "4"), ("Connection", "close")])
    return [b"body"]
`), raw)
	for range 3 {
		r := w.get("/")
		if got := fmt.Sprintf("%s %q", r, r.headers); got != `200 OK body ["X-Kept: 1" "Content-Length: 4"]` {
			t.Errorf("got %s", got)
		}
	}
	log := w.quit()
	for _, name := range []string{"Connection", "Keep-Alive", "transfer-encoding", "Upgrade", "TE", "Trailer", "Trailers",
		"Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection"} {
		line := "blog: GET /: the application set the header " + name + ", which belongs to the server"
		if strings.Count(log, line) != 1 {
			t.Errorf("%s is not told once: %s", name, log)
		}
	}
}

func TestExcInfo(t *testing.T) {
	w, _ := startReady(t, webApp(t, routes+`
def before(environ, start_response):
    start_response("200 OK", start_of(100))
    try:
        raise ValueError("one")
    except ValueError:
        start_response("503 Down", TEXT, sys.exc_info())
    return [b"down"]

def after(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"begun"
    try:
        raise ValueError("two")
    except ValueError:
        start_response("503 Down", TEXT, sys.exc_info())
    yield b"never"

def first(environ, start_response):
    try:
        raise ValueError("three")
    except ValueError:
        start_response("503 Down", TEXT, sys.exc_info())
    return [b"down"]

def from_bare(environ, start_response):
    start_response("204 No Content", [])
    try:
        raise ValueError("four")
    except ValueError:
        start_response("503 Down", TEXT, sys.exc_info())
    return [b"down"]
`), raw)
	for path, want := range map[string]string{
		"before": "503 Down down H", "after": "200 OK begun ha",
		"first": "503 Down down H", "from_bare": "503 Down down H",
	} {
		if r := w.get("/" + path); r.String()+" "+r.way() != want {
			t.Errorf("%s: got %s %s, want %s", path, r, r.way(), want)
		}
	}
	log := w.quit()
	if strings.Count(log, "Error") != 3 || !strings.Contains(log, "the application raised ValueError: two") {
		t.Errorf("log: %s", log)
	}
}

func TestDebugShowsTheTraceback(t *testing.T) {
	o := raw
	o.config.Debug = true
	w, _ := startReady(t, webApp(t, "def raw(environ, start_response):\n    raise ValueError('caf\u00e9')\n"), o)
	r := w.get("/")
	if r.status != "500 Internal Server Error" || !strings.HasPrefix(r.body, "Traceback (most recent call last):\n") ||
		!strings.HasSuffix(r.body, "ValueError: caf\u00e9\n") {
		t.Errorf("got %s", r)
	}
	w.quit()
}

// A path must not forge a line of the log.
func TestLogKeepsItsLines(t *testing.T) {
	w, _ := startReady(t, webApp(t, "def raw(environ, start_response):\n    environ.clear()\n    return None\n"), raw)
	w.get("/a\nblog: forged \u00e9")
	want := `blog: GET /a\nblog: forged \xe9: the application returned None, not an iterable of bytes` + "\n"
	if log := w.quit(); log != want {
		t.Errorf("log %q, want %q", log, want)
	}
}

func TestCloseIsAlwaysCalled(t *testing.T) {
	w, _ := startReady(t, webApp(t, routes+`
class Result:
    def __init__(self, blocks): self.blocks = iter(blocks)
    def __iter__(self): return self
    def __next__(self):
        block = next(self.blocks)
        if block == b"raise": raise ValueError("raised")
        return block
    def close(self): sys.stderr.write("closed\n")

def raw(environ, start_response):
    if environ["PATH_INFO"] != "/no_start":
        start_response("200 OK", TEXT)
    return Result({"/good": [b"a", b"b"], "/early": [b"raise"], "/late": [b"a", b"raise"],
                   "/no_start": [b"a"], "/wrong": ["a"]}[environ["PATH_INFO"]])
`), raw)
	paths := []string{"/good", "/early", "/late", "/no_start", "/wrong"}
	for i, path := range paths {
		w.get(path)
		await.True(t, "close", func() bool { return strings.Count(w.log.String(), "closed\n") == i+1 })
	}
	w.quit()
}

// A block is sent before the application is asked for the next one.
func TestStreamIsNotHeldBack(t *testing.T) {
	dir := webApp(t, routes+`
def raw(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"one"
    open(environ["QUERY_STRING"], "rb").read()  # a fifo: waits for the test
    yield b"two"
`)
	fifo := dir + "/fifo"
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	w, _ := startReady(t, dir, raw)
	s := w.slots[0]
	s.request(map[string]any{"QUERY_STRING": fifo}, "")
	r := &response{}
	if s.take(r) || r.body != "one" {
		t.Fatalf("got %+v", r)
	}
	if err := os.WriteFile(fifo, nil, 0); err != nil {
		t.Fatal(err)
	}
	for !s.take(r) {
	}
	if r.body != "onetwo" || r.way() != "hde" {
		t.Errorf("got %+v", r)
	}
	w.quit()
}

func TestAbort(t *testing.T) {
	w, _ := startReady(t, webApp(t, routes+`
class Endless:
    def __iter__(self): return self
    def __next__(self): return b"x" * 1000
    def close(self): sys.stderr.write("closed\n")

def endless(environ, start_response):
    start_response("200 OK", TEXT)
    return Endless()

def writes(environ, start_response):
    write = start_response("200 OK", TEXT)
    try:
        while True:
            write(b"x" * 1000)
    finally:
        sys.stderr.write("closed\n")

def huge(environ, start_response):
    start_response("200 OK", TEXT)
    result = Endless()
    result.__class__ = type("Huge", (Endless,), {"__next__": lambda self: b"x" * 50000000})
    return result

def one(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"one"]
`), raw)
	s := w.slots[0]
	for i, path := range []string{"/endless", "/writes", "/huge"} {
		seq := s.request(map[string]any{"PATH_INFO": path}, "")
		r := &response{}
		for range 3 {
			if s.take(r) {
				t.Fatalf("%s ended", path)
			}
		}
		w.abort(0, seq)
		for !s.take(r) {
		}
		if !strings.HasSuffix(r.kinds, "e") || r.last {
			t.Errorf("%s: messages %s", path, r.kinds)
		}
		await.True(t, "close", func() bool { return strings.Count(w.log.String(), "closed\n") == i+1 })
		if r := w.get("/one"); r.String() != "200 OK one" {
			t.Errorf("after %s: %s", path, r)
		}
	}
	if log := w.quit(); log != strings.Repeat("closed\n", 3) {
		t.Errorf("log: %s", log)
	}
}
