//go:build race

package child

import "os"

// keeperEnv is the environment of a keeper: where the race detector reports, and no
// second of sleep, its default, at the end of each.
func keeperEnv() []string {
	return []string{"GORACE=" + os.Getenv("GORACE") + " atexit_sleep_ms=0"}
}
