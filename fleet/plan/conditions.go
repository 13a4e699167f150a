package plan

import (
	"slices"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// NotDeployed tells that a deploy is to bring the code, and none has. An app that was served
// from its folder before its spec got a deploy block is served on.
func NotDeployed(spec *appspec.Spec, o Observed) bool {
	return spec.Deploy != nil && spec.Release == nil && (o.Applied == nil || o.Applied.Spec.Release != nil)
}

// NotDeployedText says so, with what brings the code.
func NotDeployedText(app string) string {
	return "not deployed yet: wsgid-fleet deploy " + app
}

// maySleep tells whether an app can do without a master. A handler of mongrel2
// must stay connected to its server.
func maySleep(spec *appspec.Spec) bool {
	w := spec.Workers
	return w.Min == 0 && w.IdleTimeout > 0 && len(spec.Sockets.HTTP) > 0 && len(spec.Sockets.Mongrel2) == 0 && !spec.Beside()
}

// ListensOf are the listen strings of a spec, sorted.
func ListensOf(spec *appspec.Spec) []string {
	var out []string
	for _, s := range spec.Sockets.HTTP {
		out = append(out, s.Listen)
	}
	slices.Sort(out)
	return out
}
