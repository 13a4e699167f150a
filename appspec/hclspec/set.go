package hclspec

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Set is what a spec directory says: the good specs by name and the faults.
type Set struct {
	Dir   string
	Specs map[string]*appspec.Spec
	// Faults are broken files and apps, in the order of their files. A fault
	// with an App means that this app has no good spec in the directory now; one
	// with an empty App speaks of the file as a whole (or of the directory).
	Faults []Fault
	// Warnings are diagnostics that keep nothing from running.
	Warnings hcl.Diagnostics
	// DefaultsBroken tells that defaults.hcl has a fault: nothing may change in
	// the fleet until it is mended.
	DefaultsBroken bool
	// Manual tells that the defaults say apply = "manual".
	Manual bool
	// Sources are the files' bytes by path, for diagnostics. They hold the
	// secrets that stand in the files: print them by WriteDiagnostics only.
	Sources map[string][]byte
	// Empty are the files without a fault in which no app stands, but for
	// defaults.hcl.
	Empty []string
	// Reads are the files that file() was asked for.
	Reads []string
}

// Fault is one broken file or app.
type Fault struct {
	File        string          `json:"file"`
	App         string          `json:"app,omitempty"`
	Summary     string          `json:"summary"` // one line: file:line:column: what is wrong
	Text        string          `json:"text"`    // all diagnostics as people read them, source lines included, no colour
	Diagnostics hcl.Diagnostics `json:"-"`
	// Apps names the apps that the file defined as far as it could be read, so
	// that they keep their last good spec instead of being stopped.
	Apps []string `json:"apps,omitempty"`
	// Lost tells that nothing is wrong with what stands there, but that its Apps
	// went all at once and nobody can have meant it. Load never says so: it does
	// not know what was there before.
	Lost bool `json:"lost,omitempty"`
}
