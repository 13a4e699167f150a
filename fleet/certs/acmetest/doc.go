// Package acmetest runs a certificate authority for tests: pebble, the ACME test server
// of Let's Encrypt, with its random failures on, a name server by which all names lead
// to this machine, and a Front before it that can fail in the ways pebble cannot.
package acmetest
