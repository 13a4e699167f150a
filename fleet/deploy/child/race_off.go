//go:build !race

package child

// keeperEnv is the environment of a keeper: empty, as the command's is not the keeper's.
func keeperEnv() []string { return []string{} }
