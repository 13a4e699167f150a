package gate

import "testing"

func TestNamesAreComparedAsHostNames(t *testing.T) {
	table := NewTable(map[string]string{
		"blog.example": "blog", "*.blog.example": "blogs", "news.blog.example": "news",
		"xn--bcher-kva.example": "books", "192.0.2.7": "four", "[2001:db8::1]": "six", "a_b": "under",
	}, "")
	for host, app := range map[string]string{
		"blog.example":              "blog",
		"BLOG.Example":              "blog",
		"blog.example.":             "blog",
		"blog.example:8080":         "blog",
		"Blog.Example.:80":          "blog",
		"blog.example:":             "blog", // an empty port is none (RFC 3986, section 3.2.3)
		"x.blog.example":            "blogs",
		"x.y.blog.example":          "", // a wildcard is one label
		".blog.example":             "",
		"news.blog.example":         "news", // exact before wildcard
		"NEWS.blog.example.:1":      "news",
		"xn--bcher-kva.example":     "books",
		"XN--Bcher-KVA.example":     "books",
		"192.0.2.7:80":              "four",
		"[2001:db8::1]":             "six",
		"[2001:0DB8:0:0::1]:443":    "six",
		"[2001:db8::1":              "",
		"[::ffff:192.0.2.7]":        "",
		"a_b":                       "under",
		"blog.example..":            "",
		"blog..example":             "",
		"blog.example:80:80":        "",
		"blog.example:x":            "",
		"blog.example:123456":       "",
		"evil.example/blog.example": "",
		"blog.example\x00":          "",
		"bl%6fg.example":            "",
		"":                          "",
		".":                         "",
		":80":                       "",
	} {
		if got := table.Lookup([]byte(host)); got != app {
			t.Errorf("Lookup(%q) = %q, want %q", host, got, app)
		}
	}
	table.Default = "rest"
	for host, app := range map[string]string{"nobody.example": "rest", "": "rest", "blog.example": "blog", "x.y.blog.example": "rest"} {
		if got := table.Lookup([]byte(host)); got != app {
			t.Errorf("with a default app Lookup(%q) = %q, want %q", host, got, app)
		}
	}
}

func TestLookupOfANameTakesAtMostOneAllocation(t *testing.T) {
	table := NewTable(map[string]string{"blog.example.org": "blog"}, "")
	host := []byte("Blog.Example.org:8080")
	if n := testing.AllocsPerRun(100, func() { table.Lookup(host) }); n > 1 {
		t.Errorf("a lookup allocates %v times", n)
	}
}
