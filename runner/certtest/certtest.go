// Package certtest makes certificates for tests and measurements: of a server that signs its
// own, and of an authority with what it issues.
package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"testing"
	"time"
)

// Certificate is a certificate with its private key.
type Certificate struct {
	Leaf      *x509.Certificate
	Cert, Key []byte // PEM; the key is PKCS #8
	private   *ecdsa.PrivateKey
}

// SelfSigned is a certificate for 127.0.0.1 and localhost, valid from an hour ago for a day
// to come, with whatever the changes make of it.
func SelfSigned(t testing.TB, changes ...func(*x509.Certificate)) *Certificate {
	t.Helper()
	return sign(t, nil, changes)
}

// Authority is a certificate that may issue others.
func Authority(t testing.TB, changes ...func(*x509.Certificate)) *Certificate {
	t.Helper()
	may := func(c *x509.Certificate) {
		c.Subject.CommonName = "test authority"
		c.IsCA, c.BasicConstraintsValid = true, true
		c.KeyUsage |= x509.KeyUsageCertSign
	}
	return sign(t, nil, append([]func(*x509.Certificate){may}, changes...))
}

// Issue is a certificate like that of SelfSigned, signed by an authority, for servers and
// clients.
func (c *Certificate) Issue(t testing.TB, changes ...func(*x509.Certificate)) *Certificate {
	t.Helper()
	return sign(t, c, changes)
}

// Names is a change: the certificate is for these hosts and for no address.
func Names(hosts ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = hosts, nil }
}

// Called is a change: the certificate's common name.
func Called(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.Subject.CommonName = name }
}

// Valid is a change: when the certificate is valid.
func Valid(from, to time.Time) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, to }
}

func sign(t testing.TB, by *Certificate, changes []func(*x509.Certificate)) *Certificate {
	t.Helper()
	c, err := New(by, changes...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// New is what SelfSigned and Issue make, for programs; by is the authority, nil: the
// certificate signs itself.
func New(by *Certificate, changes ...func(*x509.Certificate)) (*Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "test"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, change := range changes {
		change(template)
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.Leaf, by.private
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return &Certificate{
		Leaf: leaf, private: key,
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	}, nil
}

// Both is the certificate with its key behind it, as servers take them from one file.
func (c *Certificate) Both() []byte { return append(append([]byte{}, c.Cert...), c.Key...) }

// Write puts the certificate and its key into two files, or both into one where the paths
// are the same. Each takes the place of the file that was there, as certbot does it.
func (c *Certificate) Write(t testing.TB, certFile, keyFile string) {
	t.Helper()
	if certFile == keyFile {
		put(t, certFile, c.Both())
		return
	}
	put(t, certFile, c.Cert)
	put(t, keyFile, c.Key)
}

func put(t testing.TB, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// TLS is what a server or a client shows.
func (c *Certificate) TLS() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{c.Leaf.Raw}, PrivateKey: c.private, Leaf: c.Leaf}
}

// Pool is what trusts this certificate and those that it issued.
func (c *Certificate) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.Leaf)
	return pool
}
