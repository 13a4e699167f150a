//go:build race

package runner

import "os"

// raceEnabled tells that the race detector slows this program down.
const raceEnabled = true

// raceEnv is what a master needs of our environment to report its races where
// ours are reported.
func raceEnv() []string { return []string{"GORACE=" + os.Getenv("GORACE")} }
