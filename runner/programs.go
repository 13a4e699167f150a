package runner

import (
	"context"

	"github.com/wsgid-fleet/wsgid-fleet/runner/boot"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
)

// What all programs of ours have in common. Packages boot and control say what each is.

const (
	// MasterTitle is how a master calls itself: the start of its first argument.
	MasterTitle = boot.Title
	// ServedFile is control's.
	ServedFile = control.ServedFile
)

// SetUmask is boot's.
func SetUmask() { boot.SetUmask() }

// TrimAtRest is boot's.
func TrimAtRest(ctx context.Context) { boot.TrimAtRest(ctx) }

// TrimMemory is boot's.
func TrimMemory() { boot.TrimMemory() }

// Build is boot's.
func Build() string { return boot.Build() }

// GateSockets is control's.
func GateSockets(stateDir string) string { return control.GateSockets(stateDir) }
