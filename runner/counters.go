package runner

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

// DurationBounds are the bounds of Counters.Buckets in seconds, without the last
// one, which is infinite.
func DurationBounds() []float64 {
	b := make([]float64, len(durationBounds))
	for i, ns := range durationBounds {
		b[i] = float64(ns) / 1e9
	}
	return b
}
