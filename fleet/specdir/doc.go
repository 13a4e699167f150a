// Package specdir is the spec directory as a fleet reads it: which app should be what.
//
// A load (Directory.Load) reads all files; hclspec decodes them. Then
//
//   - what runs on another host is taken out (placement.go),
//   - apps that went in a way that nobody can have meant count as broken until apply
//     confirms it: a file that is empty, a directory that is not mounted (loss.go),
//   - the gate is given the names of all apps, and each app with names the socket at
//     which its master takes connections over, with its certificates (gate.go, gate_routes.go,
//     gate_tls.go).
//
// Wanted then says what one app should be: by the directory, by its last good spec where
// its file is broken, or where an edit waits for apply (edits.go). Nothing here is
// carried out, and no master is asked: that is package reconcile.
//
// Two locks: one load at a time, and one for what the last load has left.
package specdir
