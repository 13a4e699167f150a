package bridge_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/bridge"
)

// A pair that another server serves and crypto/tls does not is told of as what it is.
// What openssl makes and nginx serves is in
// findings/go-refuses-a-certificate-that-nginx-serves.sh.
func TestWhyAPairIsNotServed(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made := &x509.Certificate{SerialNumber: big.NewInt(0x5b), Subject: pkix.Name{CommonName: "blog.example"}, DNSNames: []string{"bXcher.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(9000 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, made, made, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8 := func(key any) []byte {
		b, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte, headers map[string]string) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b, Headers: headers})
	}
	patched := func(b []byte, from, to string) []byte {
		if bytes.Count(b, []byte(from)) == 0 {
			t.Fatalf("%q is not in it", from)
		}
		return bytes.Replace(b, []byte(from), []byte(to), 1)
	}
	const certificate = "CERTIFICATE"
	good, goodKey := block(certificate, der, nil), block("PRIVATE KEY", pkcs8(key), nil)
	ed448 := block("PRIVATE KEY", patched(pkcs8(edwards), "\x2b\x65\x70", "\x2b\x65\x71"), nil)
	for _, c := range []struct {
		name      string
		cert, key []byte
		what, do  string
	}{
		{"a negative serial number", block(certificate, patched(der, "\x02\x01\x5b", "\x02\x01\xdb"), nil), goodKey, "negative serial number", "the certificate breaks a rule that other servers pass over: have a new one made"},
		{"a name that is not ASCII", block(certificate, patched(der, "bXcher", "b\xfccher"), nil), goodKey, "SAN dNSName is malformed", "the certificate breaks a rule that other servers pass over: have a new one made"},
		{"a key of Ed448", good, ed448, "failed to parse private key", "the key is of a kind that is not served here, be it served elsewhere: make an RSA, ECDSA (P-256) or Ed25519 key"},
		{"a key with a passphrase", good, block("ENCRYPTED PRIVATE KEY", []byte("?"), nil), "failed to parse private key", "the key has a passphrase, and nobody is there to type it: openssl pkey"},
		{"an older one", good, block("RSA PRIVATE KEY", []byte("?"), map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}), "failed to parse private key", "the key has a passphrase"},
		{"what openssl x509 -trustout writes", block("TRUSTED CERTIFICATE", der, nil), goodKey, "TRUSTED CERTIFICATE", "it is a TRUSTED CERTIFICATE, which holds more than a certificate: openssl x509 -in OLD -out NEW writes it as one"},
		{"another key", good, block("PRIVATE KEY", pkcs8(edwards), nil), "private key", "certificate and key must belong together, in PEM format"},
		{"no key", good, good, "private key", "certificate and key must belong together, in PEM format"},
		{"the key behind its parameters", good, append(block("EC PARAMETERS", []byte("?"), nil), goodKey...), "", ""},
	} {
		dir := t.TempDir()
		cert, private := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		for name, b := range map[string][]byte{cert: c.cert, private: c.key} {
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, trouble := bridge.CheckCertificate(cert, private, time.Now())
		if c.what == "" && trouble == nil {
			continue
		}
		if trouble == nil || c.what == "" || !strings.Contains(trouble.What, c.what) || !strings.HasPrefix(trouble.Next, c.do) {
			t.Errorf("%s: got %+v, want %q and then %q", c.name, trouble, c.what, c.do)
		}
	}
}
