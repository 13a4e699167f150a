package freeport

import (
	"net"
	"testing"
)

// What it gives can be listened on, and is given once.
func TestAddr(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		addr := Addr(t)
		if seen[addr] {
			t.Fatalf("%s is given twice", addr)
		}
		seen[addr] = true
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
}
