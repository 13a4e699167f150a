package gate

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
)

// header2 is a header of version 2.
func header2(command, family byte, body string) string {
	size := binary.BigEndian.AppendUint16(nil, uint16(len(body)))
	return proxy2 + string([]byte{0x20 | command, family}) + string(size) + body
}

func TestWhatAProxySaysOfItsClient(t *testing.T) {
	const (
		four = "\xc0\x00\x02\x01" + "\xc6\x33\x64\x02" + "\x30\x39" + "\x01\xbb"
		six  = "\x20\x01\x0d\xb8" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
			"\x20\x01\x0d\xb8" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02" + "\x30\x39" + "\x01\xbb"
		mapped = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x01" +
			"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc6\x33\x64\x02" + "\x30\x39" + "\x01\xbb"
	)
	for name, c := range map[string]struct {
		header, from, to string
		fails            bool
	}{
		"v1":      {header: "PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\n", from: "192.0.2.1:12345", to: "198.51.100.2:443"},
		"v1 IPv6": {header: "PROXY TCP6 2001:db8::1 2001:db8::2 12345 443\r\n", from: "[2001:db8::1]:12345", to: "[2001:db8::2]:443"},
		// By haproxy 2.6.12, nginx 1.22.1 and stunnel 5.68 (findings/proxy-header-names-ipv4-clients-as-ipv6.sh).
		"v1 of IPv4 that came to a v4v6 socket":   {header: "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 12345 443\r\n", from: "192.0.2.1:12345", to: "198.51.100.2:443"},
		"v1 of nginx behind nginx":                {header: "PROXY TCP4 192.0.2.1 2001:db8::2 12345 443\r\n", from: "192.0.2.1:12345", to: "[2001:db8::2]:443"},
		"v1 from a unix socket":                   {header: "PROXY UNKNOWN\r\n"},
		"v1 unknown with addresses":               {header: "PROXY UNKNOWN 192.0.2.1 198.51.100.2 12345 443\r\n"},
		"v1 health check of haproxy":              {header: "PROXY TCP4 10.0.0.1 10.0.0.2 40000 8000\r\n", from: "10.0.0.1:40000", to: "10.0.0.2:8000"},
		"v1 longest":                              {header: "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"},
		"v1 too long":                             {header: "PROXY UNKNOWN " + strings.Repeat("f", 100) + "\r\n", fails: true},
		"v1 without CR":                           {header: "PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\n", fails: true},
		"v1 two blanks":                           {header: "PROXY TCP4  192.0.2.1 198.51.100.2 12345 443\r\n", fails: true},
		"v1 a word too many":                      {header: "PROXY TCP4 192.0.2.1 198.51.100.2 12345 443 1\r\n", fails: true},
		"v1 port beyond":                          {header: "PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n", fails: true},
		"v1 port with a sign":                     {header: "PROXY TCP4 192.0.2.1 198.51.100.2 +1 443\r\n", fails: true},
		"v1 port with a nought":                   {header: "PROXY TCP4 192.0.2.1 198.51.100.2 01 443\r\n", fails: true},
		"v1 a name":                               {header: "PROXY TCP4 localhost 198.51.100.2 1 443\r\n", fails: true},
		"v1 a zone":                               {header: "PROXY TCP6 fe80::1%eth0 fe80::2 1 443\r\n", fails: true},
		"v1 other protocol":                       {header: "PROXY UDP4 192.0.2.1 198.51.100.2 12345 443\r\n", fails: true},
		"none":                                    {header: "GET / HTTP/1.1\r\n", fails: true},
		"nearly none":                             {header: "PUT / HTTP/1.1\r\n", fails: true},
		"v2":                                      {header: header2(1, 0x11, four), from: "192.0.2.1:12345", to: "198.51.100.2:443"},
		"v2 IPv6":                                 {header: header2(1, 0x21, six), from: "[2001:db8::1]:12345", to: "[2001:db8::2]:443"},
		"v2 of IPv4 that came to a v4v6 socket":   {header: header2(1, 0x21, mapped), from: "192.0.2.1:12345", to: "198.51.100.2:443"},
		"v2 with TLVs, one of length 0":           {header: header2(1, 0x11, four+"\x04\x00\x00"+"\x01\x00\x02h2"), from: "192.0.2.1:12345", to: "198.51.100.2:443"},
		"v2 with a TLV that is cut":               {header: header2(1, 0x11, four+"\x04\x00\x05ab"), fails: true},
		"v2 with half a TLV":                      {header: header2(1, 0x11, four+"\x04"), fails: true},
		"v2 LOCAL":                                {header: header2(0, 0x00, "")},
		"v2 LOCAL with addresses that are forged": {header: header2(0, 0x11, four)},
		"v2 of a unix socket":                     {header: header2(1, 0x31, strings.Repeat("\x00", 216))},
		"v2 unspecified":                          {header: header2(1, 0x00, "")},
		"v2 too short for its family":             {header: header2(1, 0x11, four[:11]), fails: true},
		"v2 other command":                        {header: header2(2, 0x11, four), fails: true},
		"v2 other version":                        {header: strings.Replace(header2(1, 0x11, four), "\n\x21", "\n\x31", 1), fails: true},
		"v2 too long":                             {header: header2(1, 0x11, four+strings.Repeat("\x04\x0f\xff"+strings.Repeat("x", 4095), 2)), fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			rest := "GET / HTTP/1.1\r\n\r\n"
			p, n, err := readProxy([]byte(c.header + rest))
			if c.fails {
				if err == nil {
					t.Fatalf("it was taken: %+v", p)
				}
				return
			}
			if err != nil || n != len(c.header) {
				t.Fatalf("%d bytes, %v; want %d", n, err, len(c.header))
			}
			if p.Known != (c.from != "") {
				t.Fatalf("known: %v", p.Known)
			}
			if p.Known && (p.From != netip.MustParseAddrPort(c.from) || p.To != netip.MustParseAddrPort(c.to)) {
				t.Errorf("from %v to %v, want %s and %s", p.From, p.To, c.from, c.to)
			}
			for i := 1; i < len(c.header); i++ {
				if _, n, err := readProxy([]byte(c.header[:i])); n != 0 || err != nil {
					t.Fatalf("after %d bytes of %d: %d, %v", i, len(c.header), n, err)
				}
			}
		})
	}
}
