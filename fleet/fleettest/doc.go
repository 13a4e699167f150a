// Package fleettest is what tests of the fleet's packages share: specs, sockets, logs,
// and the test binary as another process.
package fleettest
