package runner

import "github.com/wsgid-fleet/wsgid-fleet/runner/applog"

// DataLog is the log of an app whose folder lies on a read-only disk, relative to
// the data directory.
func DataLog(app string) string { return applog.DataLog(app) }
