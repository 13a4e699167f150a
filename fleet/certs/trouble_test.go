package certs

import (
	"fmt"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// Who refuses an order is told apart from who cannot validate its name, whatever the
// authority calls it.
func TestWhatTheAuthorityRefuses(t *testing.T) {
	const kind = "urn:ietf:params:acme:error:"
	for name, c := range map[string]struct {
		problem    acme.Problem
		what, next string
	}{
		"the account": {acme.Problem{Type: kind + "malformed", Detail: "no email"},
			"the authority refuses: no email (malformed)", "check directory and email in the acme block"},
		"the name": {acme.Problem{Type: kind + "malformed", Detail: "cannot resolve", Resource: acme.Authorization{}},
			"the authority cannot validate the name: cannot resolve (malformed)", reachable},
		"the name by its own word": {acme.Problem{Type: kind + "dns", Detail: "NXDOMAIN", Resource: acme.Authorization{}},
			"the authority cannot reach this gate by the name: NXDOMAIN", reachable},
		"by CAA": {acme.Problem{Type: kind + "caa", Detail: "no", Resource: acme.Authorization{}},
			"the CAA records of the domain do not allow this authority: no", "add the authority to the CAA records of the domain"},
	} {
		t.Run(name, func(t *testing.T) {
			got := explain(fmt.Errorf("authorization failed: %w", c.problem), "https://ca.example.org/dir", time.Now())
			if got.what != c.what || got.next != c.next {
				t.Errorf("%q, %q", got.what, got.next)
			}
		})
	}
}
