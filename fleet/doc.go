// Package fleet makes what runs equal to what a directory of specs says.
//
// It is the face of the fleet: Operator and who implements it, the types that commands
// print, and the daemon that puts the parts together.
//
// # The parts
//
//   - specdir reads the spec directory and says what each app should be.
//   - plan compares that with what is. It is pure; the command plan prints it and stops.
//   - reconcile carries plans out, and follows what happens. Its page tells the way of a
//     spec from the edit to the masters.
//   - deploy brings code; what a deploy needs of the fleet (a rollout, its health, other
//     hosts) is here, in deploy_*.go.
//
// # Sockets outlive masters
//
// The listener store (package sockets) holds duplicates of every app's listening
// sockets, and the service manager's store holds them too, where there is one. So a
// master that is replaced, dies or is let go leaves its clients waiting, not
// refused. A socket that moves to another address of its port is opened beside the
// old one (sockets.Rebind). An app with workers.min = 0 whose clients are all gone
// gives back its master: the activator watches its sockets, and the next connection
// starts another (reconcile/sleep.go).
//
// # Who does it
//
// Local does one command in this process, where no daemon runs. Client asks the daemon,
// over its control socket (server.go). Both, and the console, run the same operations
// (operations.go, deploy_*.go, trigger.go); Connect chooses. Masters outlive each of them,
// so either can take over where another one left off: all that must be known is in
// state.Store, and what cannot be read there is taken as missing.
//
// Daemon runs reconcile.Loop, and beside it control socket, metrics, console and
// certificates; it tells the service manager how that goes (Hooks).
//
// # Metrics
//
// A scrape (package metrics) asks every master at that moment, with one limit for all
// of them; nothing is collected in between.
//
// # Size
//
// It has more than 4,000 lines: what operators can ask for, each with its words for what
// became of it, and how the daemon is found, asked and followed. All of it speaks of the
// same Status, Event and Result, which commands print and which are therefore here.
//
// Two cuts were looked at. The daemon apart (some 1,600 lines) would have the operations,
// what a status takes over from the one before, and all by which tests stand in for masters,
// folders and disks exported. The client apart (900) would take the types along. Neither has
// a narrow face.
package fleet
