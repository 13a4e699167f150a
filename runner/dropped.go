package runner

import (
	"fmt"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// tellDropped says at debug level which headers of a request the application
// does not get; whoever misses them could not know.
func tellDropped(log *applog.Log, r *wsgi.Request) {
	if !log.Debugging() {
		return
	}
	if names := wsgi.Dropped(r); len(names) > 0 {
		log.Say("DEBUG", fmt.Sprintf("%s: not given to the application: %s (a header with an underscore, or another sign than letters, digits and hyphens, "+
			"could pass for one that a proxy has checked; have the proxy send a name with hyphens)", label(nil, r), strings.Join(names, ", ")))
	}
}
