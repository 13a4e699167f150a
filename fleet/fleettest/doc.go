// Package fleettest is what tests of the fleet's packages share: sockets, logs,
// and the test binary as another process.
package fleettest
