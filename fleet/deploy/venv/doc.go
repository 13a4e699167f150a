// Package venv makes virtualenvs that are named by what goes into them.
//
// # The name
//
// Find reads all that decides what a virtualenv holds: the interpreter (its real
// path, whole version, ABI, architecture, C library), pip's version, the bytes of
// each requirements file and of each that those, variables PIP_… or pip's
// configuration name by -r and -c, the index or the listing of the folders of
// wheels. The hash of that is the name. A deploy that
// finds the name there, complete, builds nothing.
//
// What bytes do not tell (a path, a URL, a version control system, -e, a folder of
// links) makes the virtualenv the release's own: the release's id is hashed too.
//
// # Making
//
// Build makes it at its final path, for it cannot be moved, never over an old one,
// and as the account. Pip is not installed into it (two seconds, 25 MB): that of
// the interpreter, or the system's, installs there by --python. No configuration
// of pip's is read. Bytecode carries the hash of its source (checked-hash): size
// and time of a file can be those of another.
//
// A file that says it is complete is written last, when everything else is on the
// disk. What has none was left by a crash: Build begins anew, and Sweep removes it.
//
// Whoever builds or sweeps holds the lock of the app whose folder it is.
package venv
