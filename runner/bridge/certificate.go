package bridge

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

// recheck is how often, at most, the files are looked at.
const recheck = time.Second

// Certificate is a certificate with its key, read anew when one of its files
// has changed. While the new files are of no use, such as in the middle of
// being replaced, the last good pair serves.
type Certificate struct {
	certFile, keyFile string
	open              func(name string) (*os.File, error)

	mu      sync.Mutex
	pair    *tls.Certificate // guarded by mu
	seen    [2]fileState     // guarded by mu: when pair was read, or reading it failed
	checked time.Time        // guarded by mu
}

// fileState tells one version of a file from the next.
type fileState struct {
	size    int64
	changed time.Time
	info    os.FileInfo
}

func (a fileState) same(b fileState) bool {
	return a.size == b.size && a.changed.Equal(b.changed) && a.info != nil && b.info != nil && os.SameFile(a.info, b.info)
}

// LoadCertificate reads a pair of PEM files, which open opens for reading, os.Open
// where it is nil. The error names the file at fault.
func LoadCertificate(certFile, keyFile string, open func(name string) (*os.File, error)) (*Certificate, error) {
	if open == nil {
		open = os.Open
	}
	c, err := watchCertificate(certFile, keyFile, open)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// watchCertificate is LoadCertificate for files that need not be of use yet: get looks
// for them again. The error tells why they are not.
func watchCertificate(certFile, keyFile string, open func(name string) (*os.File, error)) (c *Certificate, err error) {
	c = &Certificate{certFile: certFile, keyFile: keyFile, open: open, checked: time.Now()}
	c.seen, _ = c.look()
	c.pair, err = c.read()
	return c, err
}

func (c *Certificate) read() (*tls.Certificate, error) {
	cert, err := c.readFile(c.certFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read certificate %s: %w", c.certFile, reason(err))
	}
	key, err := c.readFile(c.keyFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read key %s: %w", c.keyFile, reason(err))
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("cannot use certificate %s with key %s: %w", c.certFile, c.keyFile, &unsuitable{err, nextForFiles(cert, key)})
	}
	return &pair, nil
}

// maxFile is how long a file of a certificate may be.
const maxFile = 1 << 20

func (c *Certificate) readFile(name string) ([]byte, error) {
	f, err := c.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("it is longer than %d bytes", maxFile)
	}
	return b, err
}

func (c *Certificate) stat(name string) (os.FileInfo, error) {
	f, err := c.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}

// reason takes the path off, which the message names already.
func reason(err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

func (c *Certificate) look() (seen [2]fileState, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, e := c.stat(name)
		if e != nil {
			err = e
			continue
		}
		seen[i] = fileState{info.Size(), info.ModTime(), info}
	}
	return seen, err
}

// get returns the pair for a handshake; nil: none was of use yet.
func (c *Certificate) get(log func(string)) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < recheck {
		return c.pair, nil
	}
	c.checked = time.Now()
	seen, err := c.look()
	if err != nil || seen[0].same(c.seen[0]) && seen[1].same(c.seen[1]) {
		return c.pair, nil
	}
	c.seen = seen
	pair, err := c.read()
	if err != nil {
		if c.pair == nil {
			log(err.Error() + "; " + NextForPair(err))
		} else {
			log(err.Error() + "; the previous certificate stays in use")
		}
		return c.pair, nil
	}
	c.pair = pair
	log("certificate " + c.certFile + " was reloaded")
	return c.pair, nil
}
