package runner

import "github.com/wsgid-fleet/wsgid-fleet/runner/version"

// Version is the program's version.
const Version = version.Program
