//go:build !race

package runner

// raceEnabled tells that the race detector slows this program down.
const raceEnabled = false

func raceEnv() []string { return nil }
