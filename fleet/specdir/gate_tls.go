package specdir

import (
	"crypto/x509"
	"strings"
	"sync"
	"time"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/certs"
	"github.com/wsgid-fleet/wsgid-fleet/runner/bridge"
)

// Who ends TLS is the master of each app: the gate reads the name in a hello, and has no
// key. By which certificates a master does that is put together here.

// pairs are the certificates of an app for the clients that come by TLS at the gate, the
// best ones first: its own, those that the daemon gets, then those of the listeners. nil:
// there are none, or no listener of the gate has TLS.
func (d *Directory) pairs(app, front *appspec.Spec) (out []appspec.Pair) {
	secure := false
	for _, h := range front.Sockets.HTTP {
		secure = secure || h.TLS != nil
	}
	if !secure {
		return nil
	}
	if app.TLS != nil {
		out = append(out, appspec.Pair{Cert: app.TLS.Cert, Key: app.TLS.Key})
	} else {
		out = append(out, d.managedPairs(app, front)...)
	}
	for _, h := range front.Sockets.HTTP {
		if h.TLS != nil && h.TLS.Cert != "" {
			out = append(out, appspec.Pair{Cert: h.TLS.Cert, Key: h.TLS.Key, Listen: h.Listen})
		}
	}
	return out
}

// managedPairs are the certificates that the daemon gets for the names of an app: where
// their files are, or will be. An app with a certificate of its own has none.
func (d *Directory) managedPairs(app, front *appspec.Spec) (out []appspec.Pair) {
	for _, host := range ManagedHosts(app, front) {
		file := certs.PairFile(d.Store.CertificatesDir(), host)
		out = append(out, appspec.Pair{Cert: file, Key: file, Hosts: []string{host}})
	}
	return out
}

// certified are those of an app's hosts for which one of the pairs is there.
func (d *Directory) certified(hosts []string, pairs []appspec.Pair) (out []string) {
	for _, host := range hosts {
		// A wildcard is certified by one.
		probe := strings.Replace(host, "*.", "any.", 1)
		probe = strings.Trim(probe, "[]")
		for _, p := range pairs {
			if leaf := d.leaves.of(d.Disk, p.Cert, p.Key); leaf != nil && leaf.VerifyHostname(probe) == nil {
				out = append(out, host)
				break
			}
		}
	}
	return out
}

// leaves are the certificates that were read, by their files. A pair that is no good any
// more serves on in the masters that have read it before: so it counts here too.
type leaves struct {
	mu  sync.Mutex // guards all
	all map[string]leaf
}

type leaf struct {
	cert  *x509.Certificate
	files [2]version
}

// version tells one state of a file from the next.
type version struct {
	size    int64
	changed time.Time
}

func (l *leaves) of(disk afero.Fs, cert, key string) *x509.Certificate {
	l.mu.Lock()
	defer l.mu.Unlock()
	var now [2]version
	for i, name := range []string{cert, key} {
		if fi, err := disk.Stat(name); err == nil {
			now[i] = version{fi.Size(), fi.ModTime()}
		}
	}
	was, known := l.all[cert]
	if known && was.files == now {
		return was.cert
	}
	is := leaf{cert: bridge.Leaf(cert, key), files: now}
	if is.cert == nil {
		is.cert = was.cert
	}
	if l.all == nil {
		l.all = map[string]leaf{}
	}
	l.all[cert] = is
	return is.cert
}
