package wsgi

import (
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestAppendValueIsReadByPython(t *testing.T) {
	long, longHigh := strings.Repeat("a", 300), strings.Repeat("é", 300)
	cases := []struct {
		value any
		repr  string // of Python
	}{
		{nil, "None"},
		{true, "True"},
		{false, "False"},
		{0, "0"},
		{-1, "-1"},
		{math.MaxInt32, "2147483647"},
		{math.MinInt32, "-2147483648"},
		{math.MaxInt32 + 1, "2147483648"},
		{int64(math.MaxInt64), "9223372036854775807"},
		{int64(math.MinInt64), "-9223372036854775808"},
		{int64(1 << 45), "35184372088832"},
		{1.5, "1.5"},
		{math.Inf(-1), "-inf"},
		{"", "''"},
		{"plain", "'plain'"},
		{long, "'" + long + "'"},
		{longHigh, "'" + longHigh + "'"},
		{"höß 🐍", "'höß 🐍'"},
		{"nul\x00", `'nul\x00'`},
		{"broken\xff\xc3", `'broken\udcff\udcc3'`},
		{[]byte("by\x00\xff"), `b'by\x00\xff'`},
		{Latin1("caf\xe9"), "'café'"},
		{Tuple{1, "a", nil}, "(1, 'a', None)"},
		{Tuple{}, "()"},
		{[]any{1, []any{}}, "[1, []]"},
		{[]string{"a", "ü"}, "['a', 'ü']"},
		{map[string]any{"b": 1, "a": map[string]any{}}, "{'a': {}, 'b': 1}"},
		{map[string]string{"x": "y"}, "{'x': 'y'}"},
	}
	var items [][]byte
	for _, c := range cases {
		b, err := AppendValue(nil, c.value)
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, b)
	}
	var got []string
	python(t, `print(json.dumps([repr(marshal.loads(e)) for e in items]))`, items, &got)
	for i, c := range cases {
		if got[i] != c.repr {
			t.Errorf("%v: Python reads %s, want %s", c.value, got[i], c.repr)
		}
	}
}

func TestAppendValueRefusesOtherTypes(t *testing.T) {
	for _, v := range []any{struct{}{}, []any{make(chan int)}, map[string]any{"a": uint8(1)}, Tuple{int16(1)}} {
		dst, err := AppendValue([]byte("before"), v)
		if err == nil || !strings.HasPrefix(err.Error(), "cannot encode value for Python: type ") || string(dst) != "before" {
			t.Errorf("%v: %q, %v", v, dst, err)
		}
	}
}

func TestAppendInitIsReadByPython(t *testing.T) {
	c := Config{App: "blog", AppPath: "/var/wsgid/blög", Release: "releases/7", Loader: "auto", WSGIApp: "a:b", LoaderDirs: []string{"x", "y"},
		Middleware: []string{"m"}, Django: true, DjangoSettings: "s", Threads: 3, Debug: true, Preload: true, Ring: true, Version: "1", Umask: 0o27}
	msg := AppendInit(nil, &c)
	if msg[0] != MsgInit || len(msg) > MaxMessage {
		t.Fatalf("%q", msg)
	}
	var got []map[string]any
	python(t, `print(json.dumps([marshal.loads(e) for e in items]))`, [][]byte{msg[HeaderSize:], AppendInit(nil, &Config{})[HeaderSize:]}, &got)
	want := map[string]any{"app": "blog", "app_path": "/var/wsgid/blög", "release": "releases/7", "loader": "auto", "wsgi_app": "a:b",
		"loader_dirs": []any{"x", "y"}, "middleware": []any{"m"}, "django": true, "django_settings": "s",
		"threads": 3.0, "debug": true, "preload": true, "ring": true, "version": "1", "umask": 23.0}
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("Python reads %v, want %v", got[0], want)
	}
	if len(got[1]) != len(want)-1 { // release is sent only where there is one
		t.Errorf("an empty config has %d fields", len(got[1]))
	}
}
