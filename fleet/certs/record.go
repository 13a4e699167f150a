package certs

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/google/renameio/v2"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
)

// record is what is remembered of a name beside its certificate.
type record struct {
	Directory string    `json:"directory,omitempty"` // of the authority that gave the certificate
	Failures  int       `json:"failures,omitempty"`  // orders in a row that came to nothing
	Checks    int       `json:"checks,omitempty"`    // checks in a row by which the name leads elsewhere
	Since     time.Time `json:"since,omitzero"`      // of the first of them
	Error     string    `json:"error,omitempty"`     // of the last one
	Next      string    `json:"next,omitempty"`      // what to do about it
	At        time.Time `json:"at,omitzero"`         // of Error
	RetryAt   time.Time `json:"retry_at,omitzero"`   // not before; zero: nothing has failed
	Window    *window   `json:"window,omitempty"`    // nil: the authority has named none
	AskAt     time.Time `json:"ask_at,omitzero"`     // when it is asked for one again
	Beside    string    `json:"beside,omitempty"`    // the certificate that served then, by its hash; none: no one; empty: not known
}

// outdated forgets what was remembered beside another certificate: a daemon that was killed
// when it had written this one, and not yet that nothing is wrong any more, leaves it behind.
func (r *record) outdated(leaf *x509.Certificate) {
	if leaf != nil && r.Beside != "" && r.Beside != fingerprint(leaf) {
		*r = record{Directory: r.Directory}
	}
}

func fingerprint(leaf *x509.Certificate) string {
	if leaf == nil {
		return "none"
	}
	sum := sha256.Sum256(leaf.Raw)
	return hex.EncodeToString(sum[:])
}

// window is when the authority wants a certificate to be renewed (RFC 9773).
type window struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	At    time.Time `json:"at"` // chosen in it
	URL   string    `json:"url,omitempty"`
}

func readRecord(dir, host string) (r record) {
	b, err := os.ReadFile(recordFile(dir, host))
	if err == nil && json.Unmarshal(b, &r) != nil {
		r = record{}
	}
	return r
}

func (r *record) write(dir, host string) error {
	b, err := json.Marshal(r)
	if err == nil {
		err = renameio.WriteFile(recordFile(dir, host), b, 0o600, renameio.WithStaticPermissions(0o600))
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", recordFile(dir, host), bounded.Reason(err))
	}
	return nil
}

// Status is where a name stands.
type Status struct {
	Host     string
	Issuer   string    // of the certificate that serves; empty: none does
	NotAfter time.Time // zero: none serves
	Renew    time.Time // when it is renewed
	Failures int       // orders and checks in a row that came to nothing
	Error    string    // why the last one did; empty: nothing is wrong
	Next     string    // what to do about it
	RetryAt  time.Time // when it is tried again
}

// Look tells where a name stands, by what is on disk.
func Look(dir, host string) Status {
	r, leaf := readRecord(dir, host), readPair(dir, host)
	r.outdated(leaf)
	s := Status{Host: host, Failures: r.Failures + r.Checks, Error: r.Error, Next: r.Next, RetryAt: r.RetryAt}
	if leaf != nil {
		s.Issuer, s.NotAfter, s.Renew = issuerName(leaf), leaf.NotAfter, r.renewAt(leaf)
	}
	return s
}

func issuerName(leaf *x509.Certificate) string {
	if o := leaf.Issuer.Organization; len(o) > 0 {
		return clean(o[0] + " " + leaf.Issuer.CommonName)
	}
	return clean(leaf.Issuer.CommonName)
}
