package cluster

import (
	"reflect"
	"testing"
)

func TestShortages(t *testing.T) {
	hosts := []Host{{ID: "one", Region: "eu1"}, {ID: "two", Region: "eu1"}, {ID: "three", Region: "us1"}, {ID: "four", Region: "us1", Cordoned: true}}
	app := func(name, region string, count int) App {
		return App{Name: name, Backends: []Backend{{Region: region, Count: count}}}
	}
	for name, tt := range map[string]struct {
		apps  []App
		there []Host
		want  []string
	}{
		"enough":            {apps: []App{app("a", "eu1", 2), app("b", "", 3), {Name: "c"}}, there: hosts},
		"no hosts yet":      {apps: []App{app("a", "eu1", 2)}},
		"another region":    {apps: []App{app("b", "eu2", 1), app("a", "eu2", 1)}, there: hosts, want: []string{`no host is in region "eu2", which apps a, b ask for; hosts are in eu1, us1`}},
		"one is cordoned":   {apps: []App{app("a", "us1", 2)}, there: hosts, want: []string{`region "us1" has 1 of the 2 hosts that app a asks for`}},
		"no host has one":   {apps: []App{app("a", "us1", 1)}, there: []Host{{ID: "one"}}, want: []string{`no host is in region "us1", which app a asks for; no host has a region (run --region)`}},
		"of any region":     {apps: []App{app("a", "", 9)}, there: hosts, want: []string{"there are 3 of the 9 hosts that app a asks for"}},
		"nobody can tell":   {apps: []App{{Name: "a", Broken: true, Backends: []Backend{{Region: "x", Count: 1}}}}, there: hosts},
		"many":              {apps: []App{app("a", "x", 1), app("b", "x", 1), app("c", "x", 1), app("d", "x", 1), app("e", "x", 1), app("f", "x", 1), app("g", "x", 1)}, there: hosts, want: []string{`no host is in region "x", which apps a, b, c, d, e and 2 more ask for; hosts are in eu1, us1`}},
		"two regions of it": {apps: []App{{Name: "a", Backends: []Backend{{Region: "eu1", Count: 3}, {Region: "us1", Count: 1}}}}, there: hosts, want: []string{`region "eu1" has 2 of the 3 hosts that app a asks for`}},
	} {
		if got := Shortages(tt.apps, tt.there); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
