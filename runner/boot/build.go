package boot

import (
	"fmt"
	"runtime/debug"

	"github.com/wsgid-fleet/wsgid-fleet/runner/version"
)

// Program is the name of the program that masters are started from.
const Program = "wsgid-master"

// Build is the version with the commit that the program was built from, where
// the build knows one. What starts a master and the master must be of one build.
func Build() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version.Program
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			revision = " (" + s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = ", modified"
		}
	}
	if revision == "" {
		return version.Program
	}
	return version.Program + revision + modified + ")"
}

// IsMaster tells that masters are started from this same program: it has called
// Main, as wsgid-master does and the programs that test packages are built to.
var IsMaster bool

// OtherBuild is the error of a master that is not of the build of who starts it.
func OtherBuild(master, theirs, starter, ours string) error {
	return fmt.Errorf("%s is %s, and %s, which starts it, is %s: replace %s with the one from the same release", master, theirs, starter, ours, master)
}
