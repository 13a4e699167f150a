package console

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
)

// ends are those of a TCP connection, with whose process is at the other one. The kernel
// is asked when it matters, and once.
type ends struct {
	ours, theirs net.Addr
	once         sync.Once
	uid          string
	ok           bool
}

type endsKey struct{}

// withEnds notes the ends of a connection.
func withEnds(ctx context.Context, conn net.Conn) context.Context {
	if conn.LocalAddr().Network() != "tcp" {
		return ctx
	}
	return context.WithValue(ctx, endsKey{}, &ends{ours: conn.LocalAddr(), theirs: conn.RemoteAddr()})
}

// owner is the user whose process has sent a request. Empty: this machine does not tell
// users apart. Not ok: nobody's process holds the other end any more.
func owner(r *http.Request) (uid string, ok bool) {
	e, _ := r.Context().Value(endsKey{}).(*ends)
	if e == nil {
		return "", true
	}
	e.once.Do(func() {
		ours, err1 := netip.ParseAddrPort(e.ours.String())
		theirs, err2 := netip.ParseAddrPort(e.theirs.String())
		if err1 != nil || err2 != nil {
			return
		}
		// Who reads the table while connections come and go may miss one.
		for range 3 {
			if e.uid, e.ok = ownerOf(theirs, ours); e.ok {
				return
			}
		}
	})
	return e.uid, e.ok
}

// ownerOf looks for the socket from one address to another in the kernel's tables.
func ownerOf(from, to netip.AddrPort) (uid string, ok bool) {
	read := false
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		read = true
		if uid, ok := ownerIn(b, from, to, strings.HasSuffix(table, "6")); ok {
			return uid, true
		}
	}
	return "", !read
}

// ownerIn is the user of a socket of a table that a process holds: the kernel calls
// root the owner of those that nobody holds any more.
func ownerIn(table []byte, from, to netip.AddrPort, six bool) (uid string, ok bool) {
	want := []byte(" " + tableAddr(from, six) + " " + tableAddr(to, six) + " ")
	for lines := bufio.NewScanner(bytes.NewReader(table)); lines.Scan(); {
		if !bytes.Contains(lines.Bytes(), want) {
			continue
		}
		if f := strings.Fields(lines.Text()); len(f) > 9 && f[9] != "0" {
			return f[7], true
		}
	}
	return "", false
}

// tableAddr is an address as the tables have it: words of the machine's byte order.
func tableAddr(a netip.AddrPort, six bool) string {
	var words strings.Builder
	b := a.Addr().AsSlice()
	if six {
		all := a.Addr().As16()
		b = all[:]
	}
	for ; len(b) >= 4; b = b[4:] {
		fmt.Fprintf(&words, "%08X", binary.NativeEndian.Uint32(b))
	}
	return fmt.Sprintf("%s:%04X", words.String(), a.Port())
}
