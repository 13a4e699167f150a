// Package systemd reads a service unit with its drop-ins, environment files, its socket
// and the timers beside it.
package systemd
