package console

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

type hostsView struct {
	Gate  *fleet.GateStatus
	Hosts []hostRow
	Certs []certRow
}

type hostRow struct{ Host, App, State string }

type certRow struct {
	App  string
	C    fleet.CertificateStatus
	Tone string
}

func (c *Console) hostsPage(w http.ResponseWriter, r *http.Request) {
	p := c.cache.look(r.Context())
	v := &hostsView{Gate: p.Status.Gate}
	add := func(app string, all []fleet.CertificateStatus) {
		for _, crt := range all {
			row := certRow{App: app, C: crt, Tone: "good"}
			switch {
			case crt.Expires.IsZero(), !p.At.Before(crt.Expires):
				row.Tone = "bad"
			case crt.Problem != "": // status tells of one that ends soon
				row.Tone = "warn"
			}
			v.Certs = append(v.Certs, row)
		}
	}
	for i := range p.Status.Apps {
		a := &p.Status.Apps[i]
		for _, s := range a.Sockets {
			if s.Kind == "host" {
				v.Hosts = append(v.Hosts, hostRow{s.Listen, a.Name, a.State})
			}
		}
		add(a.Name, a.Certificates)
	}
	if v.Gate != nil {
		add("_gate", v.Gate.Certificates)
	}
	slices.SortStableFunc(v.Hosts, func(a, b hostRow) int { return cmp.Compare(a.Host, b.Host) })
	slices.SortStableFunc(v.Certs, func(a, b certRow) int { return a.C.Expires.Compare(b.C.Expires) })
	c.render(w, r, http.StatusOK, "hosts", v, live(10))
}
