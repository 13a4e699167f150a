package gate

import (
	"crypto/tls"
	"fmt"
	"strings"
)

// Challenges are the answers to what a certificate authority asks of this machine, to
// see that the names of its apps lead here. A gate gives them before it looks for an app.
type Challenges struct {
	// HTTP are those of http-01 (RFC 8555, section 8.3): by path, such as
	// "/.well-known/acme-challenge/TOKEN", the key authorization. The name that is asked
	// for does not count.
	HTTP map[string]string `json:"http,omitempty"`
	// TLS are those of tls-alpn-01 (RFC 8737), by name in the form of Canonical: a
	// hello with that name and the protocol "acme-tls/1" is answered with it.
	TLS map[string]ChallengePair `json:"tls,omitempty"`
}

// ChallengePair is a certificate and its key, PEM.
type ChallengePair struct {
	Cert []byte `json:"cert"`
	Key  []byte `json:"key"`
}

// challengePath begins the path of every challenge over HTTP.
const challengePath = "/.well-known/acme-challenge/"

// challengeProtocol is agreed for a challenge over TLS.
const challengeProtocol = "acme-tls/1"

// SetChallenges takes over all that is to be answered from now on; nil: nothing is.
// An error tells which one cannot be, and nothing has changed then.
func (s *Server) SetChallenges(c *Challenges) error {
	if c == nil {
		c = &Challenges{}
	}
	for path := range c.HTTP {
		if !strings.HasPrefix(path, challengePath) {
			return fmt.Errorf("cannot answer a challenge at %q: its path does not begin with %s", path, challengePath)
		}
	}
	pairs := make(map[string]*tls.Certificate, len(c.TLS))
	for name, p := range c.TLS {
		host, ok := canonical([]byte(name))
		if !ok {
			return fmt.Errorf("cannot answer a challenge for %q: it is not a host name", name)
		}
		pair, err := tls.X509KeyPair(p.Cert, p.Key)
		if err != nil {
			return fmt.Errorf("cannot answer a challenge for %s: %w", name, err)
		}
		pairs[host] = &pair
	}
	s.challenges, s.challengePairs = c.HTTP, pairs
	return nil
}
