package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
)

// PairFile is the file that holds the certificate of a name and its key.
func PairFile(dir, host string) string { return filepath.Join(dir, "sites", host+".pem") }

func recordFile(dir, host string) string { return filepath.Join(dir, "sites", host+".json") }

// readPair returns the certificate of the name that serves; nil: there is none, or it is
// of no use.
func readPair(dir, host string) *x509.Certificate {
	b, err := os.ReadFile(PairFile(dir, host))
	if err != nil {
		return nil
	}
	pair, err := tls.X509KeyPair(b, b)
	if err != nil || pair.Leaf.VerifyHostname(host) != nil {
		return nil
	}
	return pair.Leaf
}

// checkPair looks at what an authority has given as a client of the name would.
func checkPair(host string, cert, key []byte, now time.Time) (*x509.Certificate, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("the authority issued an unusable certificate: %w", err)
	}
	leaf := pair.Leaf
	if err := leaf.VerifyHostname(host); err != nil {
		return nil, fmt.Errorf("the authority issued a certificate for other names: %w", err)
	}
	if now.After(leaf.NotAfter) || now.Add(clockSkew).Before(leaf.NotBefore) {
		return nil, fmt.Errorf("the authority issued a certificate that is not valid now, but from %s to %s", Day(leaf.NotBefore), Day(leaf.NotAfter))
	}
	return leaf, nil
}

// clockSkew is how far the clock of an authority may be before ours.
const clockSkew = 5 * time.Minute

// Day writes a time of a certificate for people.
func Day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// writePair puts a certificate in the place of the one that serves, with its key.
func writePair(dir, host string, cert, key []byte) error {
	b := append(append(bytes.Clone(bytes.TrimSpace(key)), '\n'), cert...)
	if err := renameio.WriteFile(PairFile(dir, host), b, 0o600, renameio.WithStaticPermissions(0o600)); err != nil {
		return fmt.Errorf("cannot write %s: %w", PairFile(dir, host), bounded.Reason(err))
	}
	return nil
}

// makeFolders makes what all files lie in.
func makeFolders(dir string) error {
	for _, d := range []string{dir, filepath.Join(dir, "sites")} {
		if err := os.Mkdir(d, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("cannot make directory %s: %w", d, bounded.Reason(err))
		}
	}
	return nil
}
