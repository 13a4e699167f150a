package fleet

import (
	"slices"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
)

// GateStatus is the gate: what runs against what should.
type GateStatus struct {
	File       string        `json:"file"`
	Path       string        `json:"path"`  // its folder, with its log
	State      string        `json:"state"` // as that of an app
	Reason     string        `json:"reason"`
	Next       string        `json:"next,omitempty"` // as that of an app
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
	g := &GateStatus{File: a.File, Path: a.Path, State: a.State, Reason: a.Reason, Next: a.Next, Generation: a.Generation, Listen: []string{},
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
