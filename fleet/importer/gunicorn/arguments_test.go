package gunicorn

import (
	"slices"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// A switch of one release has a value in another one: the application that follows is
// found in both.
func TestProxyProtocolOfAllReleases(t *testing.T) {
	for _, c := range []struct {
		args []string
		was  string // empty: it is off
	}{
		{[]string{"--proxy-protocol", "site:app"}, "--proxy-protocol"},
		{[]string{"--proxy-protocol", "v2", "site:app"}, "--proxy-protocol v2"},
		{[]string{"--proxy-protocol=auto", "site:app"}, "--proxy-protocol=auto"},
		{[]string{"site:app", "--proxy-protocol"}, "--proxy-protocol"},
		{[]string{"--proxy-protocol", "off", "site:app"}, ""},
		{[]string{"--proxy-protocol=off", "site:app"}, ""},
	} {
		settings, rest, err := parseArgs(c.args, facts.Position{}, "")
		if err != nil || !slices.Equal(rest, []string{"site:app"}) || settings["proxy_protocol"].Was != c.was {
			t.Errorf("%q: application %q, %+v, %v", c.args, rest, settings, err)
		}
	}
}
