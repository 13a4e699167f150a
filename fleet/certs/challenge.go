package certs

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// Challenge is what an authority is going to ask a name for. It is answered by one of
// two ways, and has what that one needs.
type Challenge struct {
	Host string
	// Path and Answer: of a plain request of that path (HTTP-01).
	Path, Answer string
	// Cert and Key are PEM: of a TLS connection for the name that speaks acme-tls/1
	// (TLS-ALPN-01).
	Cert, Key []byte
}

// Challenges has challenges answered. Present returns when they are.
type Challenges interface {
	Present(ctx context.Context, c *Challenge) error
	CleanUp(c *Challenge)
}

// challengePath is where HTTP-01 asks for a token (RFC 8555, section 8.3).
const challengePath = "/.well-known/acme-challenge/"

func challengeOf(c *acme.Challenge) (*Challenge, error) {
	out := &Challenge{Host: c.Identifier.Value}
	switch c.Type {
	case acme.ChallengeTypeHTTP01:
		out.Path, out.Answer = challengePath+c.Token, c.KeyAuthorization
	case acme.ChallengeTypeTLSALPN01:
		pair, err := acmez.TLSALPN01ChallengeCert(*c)
		if err != nil {
			return nil, err
		}
		key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
		if err != nil {
			return nil, err
		}
		var cert bytes.Buffer
		for _, der := range pair.Certificate {
			_ = pem.Encode(&cert, &pem.Block{Type: "CERTIFICATE", Bytes: der})
		}
		out.Cert, out.Key = cert.Bytes(), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	default:
		return nil, fmt.Errorf("no answer to challenges of type %s", c.Type)
	}
	return out, nil
}
