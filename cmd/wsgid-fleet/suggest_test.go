package main

import "testing"

// Whoever names what is not there is told what is: the one that is near, else some.
func TestMeantOf(t *testing.T) {
	for _, c := range []struct {
		given string
		known []string
		want  string
	}{
		{"blgo", []string{"blog", "shop"}, `; did you mean "blog"?`},
		{"warehouse", []string{"blog", "shop"}, "; there are blog, shop"},
		{"warehouse", []string{"blog"}, "; there is only blog"},
		{"warehouse", nil, "; there is none"},
		{"warehouse", []string{"a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"}, "; there are a1, a2, a3, a4, a5, a6, a7, a8 and 1 more"},
	} {
		if got := meantOf(c.given, c.known); got != c.want {
			t.Errorf("%s of %v: %q, want %q", c.given, c.known, got, c.want)
		}
	}
}
