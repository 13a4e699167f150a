package hclspec

import "testing"

// 0.0.0.0 is IPv4 alone, [::] IPv6 alone, * and no host at all are both: what
// validate takes is what the kernel takes.
func TestSameHost(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		clash bool
	}{
		{"0.0.0.0", "127.0.0.1", true},
		{"0.0.0.0", "localhost", true},
		{"0.0.0.0", "::1", false},
		{"0.0.0.0", "::", false},
		{"0.0.0.0", "0.0.0.0", true},
		{"0.0.0.0", "::ffff:127.0.0.1", true},
		{"::", "::1", true},
		{"::", "127.0.0.1", false},
		{"::", "localhost", false},
		{"*", "0.0.0.0", true},
		{"*", "::", true},
		{"*", "127.0.0.1", true},
		{"*", "::1", true},
		{"*", "*", true},
		{"*", "", true},
		{"", "0.0.0.0", true},
		{"", "::1", true},
		{"127.0.0.1", "localhost", true},
		{"127.0.0.1", "127.0.0.2", false},
		{"127.0.0.1", "::1", false},
		{"Host.example", "host.example", true},
		{"host.example", "0.0.0.0", true},
		{"host.example", "127.0.0.1", false},
	} {
		if sameHost(c.a, c.b) != c.clash || sameHost(c.b, c.a) != c.clash {
			t.Errorf("%q beside %q: clash is %v, want %v", c.a, c.b, !c.clash, c.clash)
		}
	}
}
