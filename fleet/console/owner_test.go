package console

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The user of the other end of a connection is found in the kernel's table, for IPv4,
// IPv6 and a socket of IPv6 that speaks IPv4; nobody's socket is not root's.
func TestOwnerOfAConnection(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			if strings.HasPrefix(addr, "[") {
				t.Log("no IPv6 here")
				continue
			}
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		from, to := netip.MustParseAddrPort(conn.LocalAddr().String()), netip.MustParseAddrPort(conn.RemoteAddr().String())
		if uid, ok := ownerOf(from, to); !ok || uid != strconv.Itoa(os.Geteuid()) {
			t.Errorf("%s: our own connection is %q's, %v", addr, uid, ok)
		}
		if uid, ok := ownerOf(from, netip.AddrPortFrom(to.Addr(), 1)); ok {
			t.Errorf("%s: a connection that is none is %q's", addr, uid)
		}
		conn.Close()
		ln.Close()
	}
	from, to := netip.MustParseAddrPort("127.0.0.1:4660"), netip.MustParseAddrPort("127.0.0.1:9191")
	line := func(six bool, uid, inode string) []byte {
		return []byte("  sl  local_address rem_address st\n  17: " + tableAddr(from, six) + " " + tableAddr(to, six) +
			" 01 00000000:00000000 00:00000000 00000000  " + uid + "        0 " + inode + " 1 0 100 0 0 10 0\n")
	}
	if uid, ok := ownerIn(line(true, "1000", "77"), from, to, true); !ok || uid != "1000" {
		t.Errorf("IPv4 by a socket of IPv6: %q, %v", uid, ok)
	}
	if uid, ok := ownerIn(line(false, "0", "0"), from, to, false); ok {
		t.Errorf("a socket that nobody holds is %q's", uid)
	}
}

// A session is of the user who has opened it: the cookie that a browser has sent to
// another port of the same address is of no use to whom it came to.
func TestSessionOfAnotherUser(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	cookie := h.login(false)
	if a := h.send("GET", "/", nil, "Cookie", cookie, "Accept", "text/html"); a.code != http.StatusOK {
		t.Fatalf("its own session: %d", a.code)
	}
	other := &session{ID: "x", Role: Operator, By: "ann", UID: strconv.Itoa(os.Geteuid() + 1), Expires: time.Now().Add(time.Hour)}
	for _, c := range []string{h.con.cookieValue(other), h.con.cookieValue(&session{ID: "y", Role: Operator, By: "ann", Expires: other.Expires})} {
		stolen := h.con.cookieName() + "=" + c
		if a := h.send("GET", "/", nil, "Cookie", stolen); a.code != http.StatusUnauthorized {
			t.Errorf("another user's session: %d %s", a.code, a.body)
		}
		if a := h.send("POST", "/app/blog", url.Values{"verb": {"reload"}, "token": {h.con.sign("form", "x")}}, "Cookie", stolen); a.code != http.StatusUnauthorized {
			t.Errorf("another user's form: %d %s", a.code, a.body)
		}
	}
	if did := h.fleet.done(); did != "" {
		t.Errorf("done: %s", did)
	}
}
