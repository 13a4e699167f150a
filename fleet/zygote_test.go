package fleet

import (
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/runner/zygote"
)

// A daemon has zygotes only where it is told to, and a command never.
func TestZygoteSwitch(t *testing.T) {
	for how, want := range map[string]bool{"": false, "off": false, "auto": true, "on": true} {
		t.Setenv(zygote.Switch, how)
		if d := NewDaemon(Options{}); (d.zygotes != nil) != want {
			t.Errorf("%s=%q: zygotes %v", zygote.Switch, how, d.zygotes)
		}
	}
	if m := (Options{}).withDefaults().machine.(reconcile.Processes); m.Zygotes != nil {
		t.Error("a command has zygotes")
	}
}
