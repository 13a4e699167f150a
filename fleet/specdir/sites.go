package specdir

import (
	"maps"
	"slices"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/certs"
)

// Front is the gate that runs, or should; nil: there is none, or it is not known.
func (d *Directory) Front(set *hclspec.Set) *appspec.Spec {
	if set == nil {
		return nil
	}
	if s := set.Specs[appspec.GateName]; s != nil && !d.Holds(set) {
		return s
	}
	return d.heldGate(set)
}

// ManagedHosts are the names of an app for which a certificate is got.
func ManagedHosts(app, front *appspec.Spec) (out []string) {
	if front == nil || app.Gate != nil || app.TLS != nil || !app.Enabled || front.ACME() == nil {
		return nil
	}
	for _, h := range app.Hosts {
		if appspec.Managed(h) {
			out = append(out, h)
		}
	}
	return out
}

// Sites are all names for which certificates are got, by the specs that apps and gate
// run by: a name that only an edit has which waits for apply is no site yet.
func (d *Directory) Sites(set *hclspec.Set) (out []certs.Site) {
	front := d.Front(set)
	if front == nil || front.ACME() == nil {
		return nil
	}
	a := front.ACME()
	by := certs.Authority{Directory: a.Directory, Email: a.Email, Roots: a.CA}
	for _, h := range front.Sockets.HTTP {
		by.Ways.Plain = by.Ways.Plain || h.TLS == nil && !h.Adopts
		by.Ways.TLS = by.Ways.TLS || h.TLS != nil
	}
	apps, taken := d.serving(set), map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(apps)) {
		for _, h := range ManagedHosts(apps[name], front) {
			if !taken[h] {
				taken[h] = true
				out = append(out, certs.Site{Host: h, App: name, Authority: by})
			}
		}
	}
	return out
}
