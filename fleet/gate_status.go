package fleet

import (
	"maps"
	"slices"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
)

// GateStatus is the gate: what runs against what should.
type GateStatus struct {
	File       string        `json:"file"`
	State      string        `json:"state"` // as that of an app
	Reason     string        `json:"reason"`
	Generation int           `json:"generation"`
	Listen     []string      `json:"listen"`
	Master     *MasterStatus `json:"master"`           // its process; nil: none runs
	Counts     *gate.Counts  `json:"counts,omitempty"` // since it was started
	LastError  string        `json:"last_error,omitempty"`
	LogError   string        `json:"log_error,omitempty"`
	// Certificates are those of its listeners, which the masters of apps without one of
	// their own show.
	Certificates []CertificateStatus `json:"certificates,omitempty"`
	// Waiting is as that of an app.
	Waiting string `json:"waiting,omitempty"`
}

func gateStatus(a AppStatus) *GateStatus {
	g := &GateStatus{File: a.File, State: a.State, Reason: a.Reason, Generation: a.Generation, Listen: []string{},
		Master: a.Master, Counts: a.gate, LastError: a.LastError, LogError: a.LogError, Certificates: a.Certificates, Waiting: a.Waiting}
	for _, s := range a.Sockets {
		g.Listen = append(g.Listen, s.Listen)
	}
	return g
}

// withoutGate are the apps.
func withoutGate(all []AppStatus) []AppStatus {
	return slices.DeleteFunc(all, func(a AppStatus) bool { return a.Name == appspec.GateName })
}

// splitGate takes the gate out of what was scraped; nil: there is none.
func splitGate(all []appSample) ([]appSample, *appSample) {
	for i := range all {
		if all[i].status.Name == appspec.GateName {
			gate := all[i]
			return slices.Delete(slices.Clone(all), i, i+1), &gate
		}
	}
	return all, nil
}

// gateFamilies is what is told of the gate; nothing where there is none.
func gateFamilies(g *appSample) []metricFamily {
	if g == nil {
		return nil
	}
	up := gaugeFamily("wsgid_gate_up", "1 where the gate takes connections, else 0.")
	accepted := counterFamily("wsgid_gate_accepted_total", "Connections that the gate has accepted.")
	routed := counterFamily("wsgid_gate_routed_total", "Connections that the gate has handed to an app's master.")
	rescued := counterFamily("wsgid_gate_rescued_total", "Connections that came from a gate which was killed; among those accepted.")
	back := counterFamily("wsgid_gate_handed_back_total", "Connections that came back to the gate because they asked for another host.")
	tls := counterFamily("wsgid_gate_tls_total", "Connections that the gate has handed to an app's master by the name in their ClientHello.")
	redirected := counterFamily("wsgid_gate_redirected_total", "Requests that the gate has sent to HTTPS.")
	challenges := counterFamily("wsgid_gate_challenges_total", "Challenges of a certificate authority that the gate has answered.")
	expiry := gaugeFamily("wsgid_gate_certificate_expiry_timestamp_seconds", "When a certificate of the gate's listeners expires, since the Unix epoch.")
	refused := counterFamily("wsgid_gate_refused_total", "Connections that the gate has ended itself, by reason.")
	reading := gaugeFamily("wsgid_gate_unrouted_connections", "Connections of which the gate does not know the host yet.")
	waiting := gaugeFamily("wsgid_gate_waiting_connections", "Connections that wait for the master of their app.")
	memory := gaugeFamily("wsgid_gate_memory_bytes", "Resident memory of the gate.")
	up.add(oneIf(g.answers() && g.master.serving()))
	if c := g.status.gate; c != nil && g.answers() {
		accepted.add(float64(c.Accepted))
		for _, app := range slices.Sorted(maps.Keys(c.Apps)) {
			routed.add(float64(c.Apps[app]), "app", app)
		}
		rescued.add(float64(c.Rescued))
		back.add(float64(c.HandedBack))
		tls.add(float64(c.TLS))
		redirected.add(float64(c.Redirected))
		challenges.add(float64(c.Challenges))
		for _, reason := range slices.Sorted(maps.Keys(c.Refused)) {
			refused.add(float64(c.Refused[reason]), "reason", reason)
		}
		reading.add(float64(c.Reading))
		waiting.add(float64(c.Waiting))
		memory.add(float64(g.master.Status.RSS))
	}
	seen := map[string]bool{} // one may serve several listeners
	for _, c := range g.status.Certificates {
		if !c.Expires.IsZero() && !seen[c.Cert] {
			seen[c.Cert] = true
			expiry.add(unixSeconds(c.Expires), "cert", c.Cert)
		}
	}
	return []metricFamily{up, accepted, routed, tls, redirected, challenges, rescued, back, refused, reading, waiting, memory, expiry}
}
