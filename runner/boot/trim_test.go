package boot

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
)

// anonymous is how much memory of its own the process has, in bytes.
func anonymous(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(text, []byte("RssAnon:"))
	rest, _, _ = bytes.Cut(rest, []byte("kB"))
	n, err := strconv.ParseInt(string(bytes.TrimSpace(rest)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}

// What only the start has needed is given back when it is over, not before.
func TestTrimAtRest(t *testing.T) {
	const size = 64 << 20
	before := anonymous(t)
	b := bytes.Repeat([]byte{1}, size)
	if b[size-1] != 1 {
		t.Fatal("no memory")
	}
	ended, end := context.WithCancel(t.Context())
	end()
	TrimAtRest(ended)
	if got := anonymous(t); got < before+size/2 {
		t.Fatalf("%d bytes at once, %d before", got, before)
	}
	runtime.KeepAlive(b) // a collection of its own must not do what is tested
	TrimAtRest(t.Context())
	if got := anonymous(t); got > before+size/2 {
		t.Errorf("%d bytes are left, %d before", got, before)
	}
}

// The program's own text is found, and nothing that can be written to.
func TestCleanMappings(t *testing.T) {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	all := cleanMappings(exe)
	if len(all) == 0 {
		t.Fatalf("no mapping of %s is found", exe)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		line := fmt.Appendf(nil, "%08x-%08x r", m.from, m.to)
		i := bytes.Index(maps, line)
		if i < 0 {
			t.Errorf("%x-%x is no readable mapping", m.from, m.to)
		} else if maps[i+len(line)] != '-' {
			t.Errorf("%x-%x can be written to", m.from, m.to)
		}
	}
}
