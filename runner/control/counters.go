package control

// StatusClientGone is the status under which a request is counted whose client
// went away before the answer began. It is nginx's, and nobody gets it sent.
const StatusClientGone = 499

// Counters is what a master has counted since it started. Another master of the
// same app begins at 0.
type Counters struct {
	// Codes are the answers by status, those of the server's own among them, and
	// StatusClientGone.
	Codes map[int]uint64 `json:"codes"`
	// Buckets count the durations of requests, the wait for a worker included, up
	// to each of DurationBounds; the last one counts all. They are cumulative, as
	// Prometheus's are.
	Buckets []uint64 `json:"buckets"`
	Seconds float64  `json:"seconds"` // sum of the durations
	// Restarts are the workers that were replaced though nobody asked for it, by
	// reason: died, start, timeout, memory, requests, age, health, broke.
	Restarts map[string]uint64 `json:"restarts"`
	// Static are the answers to requests for static files by status; they are not
	// among Codes and Buckets, which are the app's. StaticBytes are their bodies.
	Static      map[int]uint64 `json:"static,omitempty"`
	StaticBytes uint64         `json:"static_bytes,omitempty"`
}

// Bounds are the upper bounds of the exported duration histogram, in
// nanoseconds. They are fixed: a series whose buckets move cannot be added up.
var Bounds = [...]int64{
	1e6, 2.5e6, 5e6, 10e6, 25e6, 50e6, 100e6, 250e6, 500e6, 1e9, 2.5e9, 5e9, 10e9, 30e9, 60e9,
}

// DurationBounds are the bounds of Counters.Buckets in seconds, without the last
// one, which is infinite.
func DurationBounds() []float64 {
	b := make([]float64, len(Bounds))
	for i, ns := range Bounds {
		b[i] = float64(ns) / 1e9
	}
	return b
}
