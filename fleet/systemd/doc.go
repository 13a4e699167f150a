// Package systemd is the service manager that started the daemon, or whoever else
// speaks its protocols: readiness and watchdog (NOTIFY_SOCKET), sockets handed over
// (LISTEN_FDS), the store of descriptors, scopes of apps over D-Bus, and the form of
// log lines in the journal.
//
// It knows nothing of the fleet: what it is told are names of apps, sockets and
// process ids. Where no service manager is every method does nothing.
package systemd
