//go:build race

package runner

import "os"

// raceEnv is what a master needs of our environment to report its races where
// ours are reported.
func raceEnv() []string { return []string{"GORACE=" + os.Getenv("GORACE")} }
