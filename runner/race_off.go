//go:build !race

package runner

// raceEnv: see race_on.go.
func raceEnv() []string { return nil }
