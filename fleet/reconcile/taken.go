package reconcile

import (
	"fmt"
	"os"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// taken adds to the error of a master that did not start which other app listens where
// its spec, with these sockets, wants to. An app that moves on leaves its address, and the
// next try gets it. Two that swap theirs wait for each other, for ever.
func (a *Applier) taken(spec *appspec.Spec, files map[string]*os.File, err error) error {
	for _, s := range spec.Sockets.HTTP {
		if files[s.Listen] != nil {
			continue
		}
		if other := a.Sockets.Owner(s.Listen, spec.Name); other != "" {
			return fmt.Errorf("%w; app %s still listens on %s: it is free once that app has left it; two apps that swap addresses wait for each other: give one of them another address first", err, other, s.Listen)
		}
	}
	return err
}
