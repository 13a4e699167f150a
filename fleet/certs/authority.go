package certs

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
)

// Authority is who gives certificates, and how it is dealt with.
type Authority struct {
	Directory string // URL
	Email     string // of the account
	Roots     string // a PEM file by which its server is trusted; empty: as this machine trusts others
	Ways      Ways
}

// authorities are those that were dealt with. Of certmagic nothing is made before.
type authorities struct {
	dir   string
	store *storage

	mu    sync.Mutex
	cache *certmagic.Cache        // certmagic wants one; it stays empty. Guarded by mu
	known map[Authority]*dealings // guarded by mu
}

// dealings are what certmagic has of an authority.
type dealings struct {
	config *certmagic.Config
	issuer *certmagic.ACMEIssuer
	roots  []byte
	port   int // see decoy
}

// One variable for the whole process, which any number of keepers read.
func init() { certmagic.UserAgent = "wsgid-fleet" }

func newAuthorities(dir string, c Challenges) *authorities {
	return &authorities{
		dir: dir,
		store: &storage{FileStorage: certmagic.FileStorage{Path: filepath.Join(dir, "acme")}, challenges: c,
			open: map[string]*Challenge{}, held: map[string]*os.File{}},
		known: map[Authority]*dealings{},
	}
}

func (as *authorities) close() {
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.cache != nil {
		as.cache.Stop()
		as.cache = nil
	}
}

// with returns what is had of an authority. Its roots are read again each time.
func (as *authorities) with(a Authority) (*dealings, error) {
	roots, pool, err := readRoots(a.Roots)
	if err != nil {
		return nil, err
	}
	as.mu.Lock()
	defer as.mu.Unlock()
	if d := as.known[a]; d != nil && bytes.Equal(d.roots, roots) {
		return d, nil
	}
	d := &dealings{roots: roots}
	quiet := zap.NewNop() // what matters is told with our own words
	if as.cache == nil {
		as.cache = certmagic.NewCache(certmagic.CacheOptions{Logger: quiet,
			GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) {
				return nil, errors.New("nothing is served from here")
			}})
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	d.port = port
	d.config = certmagic.New(as.cache, certmagic.Config{Storage: as.store, Logger: quiet})
	d.issuer = certmagic.NewACMEIssuer(d.config, certmagic.ACMEIssuer{
		CA: a.Directory, Email: a.Email, Agreed: true, TrustedRoots: pool, Logger: quiet,
		DisableHTTPChallenge: !a.Ways.Plain, DisableTLSALPNChallenge: !a.Ways.TLS,
		ListenHost: loopback, AltHTTPPort: port, AltTLSALPNPort: port,
	})
	d.config.Issuers = []certmagic.Issuer{d.issuer}
	as.known[a] = d
	return d, nil
}

// longestRoots bounds the file of an authority's roots.
const longestRoots = 1 << 20

// readRoots reads a file that a spec names; without a name there is none.
func readRoots(name string) ([]byte, *x509.CertPool, error) {
	if name == "" {
		return nil, nil, nil
	}
	f, err := appdir.OpenNamed(name)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read %s: %w", name, bounded.Reason(err))
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, longestRoots))
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read %s: %w", name, bounded.Reason(err))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, nil, fmt.Errorf("cannot use %s: it contains no certificate in PEM format", name)
	}
	return b, pool, nil
}

// CheckRoots tells whether a file can say by which roots an authority is trusted.
func CheckRoots(name string) error {
	_, _, err := readRoots(name)
	return err
}

const loopback = "127.0.0.1"

// freePort is a port at which nobody listens now.
func freePort() (int, error) {
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

// decoy holds the port that certmagic would answer challenges at, so that it does not:
// it takes for granted that who has the port answers them. The gate does, elsewhere.
func (d *dealings) decoy() (release func()) {
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort(loopback, strconv.Itoa(d.port)))
	if err != nil {
		return func() {} // somebody has it: as good
	}
	return func() { ln.Close() }
}

// order gets a certificate for the name, a first one or another one. attempt is how
// often that has failed before: certmagic tries an authority's own test server first
// then, where it knows one, as that counts no failures.
func (d *dealings) order(ctx context.Context, host string, attempt int) error {
	defer d.decoy()()
	return d.config.RenewCertSync(context.WithValue(ctx, certmagic.AttemptsCtxKey, &attempt), host, true)
}

// stored is what certmagic has got for the name last; nil: nothing.
func (as *authorities) stored(ctx context.Context, d *dealings, host string) (cert, key []byte, err error) {
	id := d.issuer.IssuerKey()
	if cert, err = as.store.Load(ctx, certmagic.StorageKeys.SiteCert(id, host)); err == nil {
		key, err = as.store.Load(ctx, certmagic.StorageKeys.SitePrivateKey(id, host))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	return cert, key, err
}
