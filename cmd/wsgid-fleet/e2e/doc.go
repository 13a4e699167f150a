// Package e2e drives the real program from outside: it builds wsgid-fleet,
// copies examples/quickstart, starts real mongrel2, Django and Python beside
// it, and looks at nothing but what a user could see: commands, exit
// codes, JSON, processes, files, and the answers that clients get.
//
// Every test runs twice where the suite runs as root: as root (workers as
// www-data) and as an ordinary user; where the suite is not root, once.
//
// Load counts at the client, request by request, with and without keep-alive:
// an answer is good, or it is lost for a named cause. Storm disturbs a fleet
// under such a load, from a seed, and holds each lost request against what was
// killed at that time.
package e2e
