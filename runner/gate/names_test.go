package gate

import "testing"

// TestNamesThatAnAppAnswersFor: its own, but for those of others below its wildcards.
func TestNamesThatAnAppAnswersFor(t *testing.T) {
	own := []string{"blog.test", "*.blog.test"}
	n := NewNames(own, []string{"shop.blog.test"}, false)
	all := NewNames(own, []string{"shop.test"}, true)
	for host, want := range map[string][2]bool{
		"": {true, true}, "Blog.Test.:8080": {true, true}, "any.blog.test": {true, true},
		"SHOP.blog.test:443": {false, true}, "shop.test": {false, false}, "else.test": {false, true}, "a.b.blog.test": {false, true},
	} {
		if n.Answer([]byte(host)) != want[0] || all.Answer([]byte(host)) != want[1] {
			t.Errorf("%q: %v and %v, want %v", host, n.Answer([]byte(host)), all.Answer([]byte(host)), want)
		}
	}
	if !n.Are(own, []string{"shop.blog.test"}, false) || n.Are(own, nil, false) || n.Are(own, []string{"shop.blog.test"}, true) || (*Names)(nil).Are(nil, nil, false) {
		t.Error("names are not told from others")
	}
}
