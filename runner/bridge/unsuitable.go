package bridge

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"strings"
)

// unsuitable is why a pair of files that could be read cannot be served, and what to do
// about it. Other servers take more than Go's library does
// (findings/go-refuses-a-certificate-that-nginx-serves.sh): who comes from one has a pair
// that does belong together, in PEM format.
type unsuitable struct {
	err  error
	next string
}

func (u *unsuitable) Error() string { return u.err.Error() }
func (u *unsuitable) Unwrap() error { return u.err }

const (
	nextPair      = "certificate and key must belong together, in PEM format, the server's certificate first"
	nextTrusted   = "it is a TRUSTED CERTIFICATE, which holds more than a certificate: openssl x509 -in OLD -out NEW writes it as one"
	nextEncrypted = "the key has a passphrase, and nobody is there to type it: openssl pkey -in OLD -out NEW writes it without, readable for its owner alone"
	nextKey       = "the key is of a kind that is not served here, be it served elsewhere: make an RSA, ECDSA (P-256) or Ed25519 key, and have a certificate made for it"
	nextMalformed = "the certificate breaks a rule that other servers pass over: have a new one made, as the gate does by acme where the name is public"
)

// nextForFiles is what to do about a pair that crypto/tls does not take.
func nextForFiles(cert, key []byte) string {
	isKey := func(b *pem.Block) bool { return b.Type == "PRIVATE KEY" || strings.HasSuffix(b.Type, " PRIVATE KEY") }
	private := firstBlock(key, isKey)
	leaf := firstBlock(cert, func(b *pem.Block) bool { return b.Type == "CERTIFICATE" })
	switch {
	case leaf == nil && firstBlock(cert, func(b *pem.Block) bool { return b.Type == "TRUSTED CERTIFICATE" }) != nil:
		return nextTrusted
	case leaf == nil || private == nil:
		return nextPair
	case private.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(private.Headers["Proc-Type"], "ENCRYPTED"):
		return nextEncrypted
	case !servedKey(private.Bytes):
		return nextKey
	}
	if _, err := x509.ParseCertificate(leaf.Bytes); err != nil {
		return nextMalformed
	}
	return nextPair
}

func firstBlock(text []byte, is func(*pem.Block) bool) *pem.Block {
	for {
		var b *pem.Block
		if b, text = pem.Decode(bytes.TrimSpace(text)); b == nil || is(b) {
			return b
		}
	}
}

// servedKey tells whether a key is in one of the forms that crypto/tls reads.
func servedKey(der []byte) bool {
	_, rsa := x509.ParsePKCS1PrivateKey(der)
	_, pkcs8 := x509.ParsePKCS8PrivateKey(der)
	_, ec := x509.ParseECPrivateKey(der)
	return rsa == nil || pkcs8 == nil || ec == nil
}
