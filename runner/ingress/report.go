package ingress

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// Label writes what names a request in a log line.
func Label(dst []byte, r *wsgi.Request) []byte {
	dst = append(append(append(dst, r.Method...), ' '), r.Path...)
	if len(dst) > 200 {
		dst = append(dst[:200], "…"...)
	}
	return bytes.ToValidUTF8(dst, []byte("?"))
}

// ReportDropped says at debug level which headers of a request the application
// does not get; whoever misses them could not know.
func ReportDropped(log *applog.Log, r *wsgi.Request) {
	if !log.Debugging() {
		return
	}
	if names := wsgi.Dropped(r); len(names) > 0 {
		log.Say("DEBUG", fmt.Sprintf("%s: not given to the application: %s (a header with an underscore, or a character other than letters, digits and hyphens,  "+
			"could be mistaken for one that a proxy has checked; configure the proxy to send a name with hyphens)", Label(nil, r), strings.Join(names, ", ")))
	}
}

// StaticLate is the log line of a request for a static file that waited too long.
func StaticLate(request string) string {
	return request + ": 504: the folder of static files could not be read in time (workers.request_timeout); is its disk available?"
}
