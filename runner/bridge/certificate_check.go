package bridge

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// ExpiresSoon is how long before its end a certificate is told of.
const ExpiresSoon = 14 * 24 * time.Hour

// TellFrom is from when on a certificate is told of that is not renewed. One that lives for days
// alone, as of an authority of one's own (step-ca: 24 hours) or of the profile shortlived (6
// days), is renewed at half or two thirds of its time: it is told of in its last quarter.
func TellFrom(leaf *x509.Certificate) time.Time {
	return leaf.NotAfter.Add(-min(ExpiresSoon, leaf.NotAfter.Sub(leaf.NotBefore)/4))
}

// CertificateTrouble is what is wrong with a certificate and its key.
type CertificateTrouble struct {
	What string // "certificate /etc/ssl/blog.pem has expired on 2026-01-02"
	Next string // what to do
	Soon bool   // it serves well now, and will not before long
	// Unread: this process may not read it, so nothing is known of it.
	Unread bool
}

// CheckCertificate looks at a pair of PEM files as they are now; nil: it is well.
// Expires is zero where the certificate cannot be read.
func CheckCertificate(certFile, keyFile string, now time.Time) (expires time.Time, trouble *CertificateTrouble) {
	c, err := LoadCertificate(certFile, keyFile, openAsServed)
	if errors.Is(err, fs.ErrPermission) {
		return expires, &CertificateTrouble{What: err.Error(), Next: "check it as the user that serves it, root for instance", Unread: true}
	}
	if err != nil {
		return expires, &CertificateTrouble{What: err.Error(), Next: NextForPair(err) + "; nothing that serves HTTPS with it can restart until then"}
	}
	leaf, err := leafOf(c.pair)
	if err != nil {
		return expires, &CertificateTrouble{What: fmt.Sprintf("cannot use certificate %s: %v", certFile, err), Next: "replace it"}
	}
	const renew = "renew it; the new files are read without a restart"
	day := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
	switch {
	case now.After(leaf.NotAfter):
		trouble = &CertificateTrouble{What: fmt.Sprintf("certificate %s has expired on %s: clients refuse it", certFile, day(leaf.NotAfter)), Next: renew}
	case now.Before(leaf.NotBefore):
		trouble = &CertificateTrouble{What: fmt.Sprintf("certificate %s is not valid before %s: clients refuse it", certFile, day(leaf.NotBefore)),
			Next: "check the clock of this machine, or wait until then"}
	case now.After(TellFrom(leaf)):
		trouble = &CertificateTrouble{What: fmt.Sprintf("certificate %s expires on %s", certFile, day(leaf.NotAfter)), Next: renew, Soon: true}
	}
	return leaf.NotAfter, trouble
}

func leafOf(pair *tls.Certificate) (*x509.Certificate, error) {
	if pair.Leaf != nil {
		return pair.Leaf, nil
	}
	return x509.ParseCertificate(pair.Certificate[0])
}

// Leaf is the certificate in a pair of PEM files; nil: it would not be served.
func Leaf(certFile, keyFile string) *x509.Certificate {
	c, err := LoadCertificate(certFile, keyFile, openAsServed)
	if err != nil {
		return nil
	}
	leaf, err := leafOf(c.pair)
	if err != nil {
		return nil
	}
	return leaf
}

// NextForPair is what to do about an error of LoadCertificate.
func NextForPair(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "put both files in place, in PEM format"
	}
	if errors.Is(err, fs.ErrPermission) {
		return "give the user of the master permission to read both files"
	}
	if u, ok := errors.AsType[*unsuitable](err); ok {
		return u.next
	}
	return nextPair
}

// openAsServed opens a file as the master that serves it does: one in an app's
// folder may be a link to what is somebody else's, a FIFO or a device.
func openAsServed(name string) (*os.File, error) {
	f, err := appdir.OpenFile("file", name)
	if errno, ok := errors.AsType[unix.Errno](err); ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errno}
	}
	return f, err
}
