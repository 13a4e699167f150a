// Package facts is what readers of configurations leave to the importer: apps, and what
// their files say of them, each thing with the file and the line it stands in. Beside
// that lies what several readers need: how a file is read, what may be printed of a
// command, which names are those of secrets.
package facts
