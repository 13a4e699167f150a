package metrics

import (
	"maps"
	"slices"
)

// gateFamilies is what is told of the gate; nothing where there is none.
func gateFamilies(g *App) []family {
	if g == nil {
		return nil
	}
	up := gauge("wsgid_gate_up", "1 where the gate takes connections, else 0.")
	accepted := counter("wsgid_gate_accepted_total", "Connections that the gate has accepted.")
	routed := counter("wsgid_gate_routed_total", "Connections that the gate has handed to an app's master.")
	rescued := counter("wsgid_gate_rescued_total", "Connections that came from a gate which was killed; among those accepted.")
	back := counter("wsgid_gate_handed_back_total", "Connections that came back to the gate because they requested another host.")
	tls := counter("wsgid_gate_tls_total", "Connections that the gate has handed to an app's master by the name in their ClientHello.")
	redirected := counter("wsgid_gate_redirected_total", "Requests that the gate has sent to HTTPS.")
	challenges := counter("wsgid_gate_challenges_total", "Challenges of a certificate authority that the gate has answered.")
	expiry := gauge("wsgid_gate_certificate_expiry_timestamp_seconds", "When a certificate of the gate's listeners expires, since the Unix epoch.")
	problem := gauge("wsgid_gate_certificate_problem", problemHelp)
	refused := counter("wsgid_gate_refused_total", "Connections that the gate has ended itself, by reason.")
	reading := gauge("wsgid_gate_unrouted_connections", "Connections of which the gate does not know the host yet.")
	waiting := gauge("wsgid_gate_waiting_connections", "Connections that wait for the master of their app.")
	memory := gauge("wsgid_gate_memory_bytes", "Resident memory of the gate.")
	up.add(oneIf(g.Serves))
	if c := g.Gate; c != nil && g.Status != nil {
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
		memory.add(float64(g.Status.RSS))
	}
	addExpiries(expiry, problem, g.Certificates)
	return []family{up, accepted, routed, tls, redirected, challenges, rescued, back, refused, reading, waiting, memory, expiry, problem}
}
