// Package shellwords cuts command lines into words, one function for each of those who
// read them: Shell as sh(1) does, Shlex as Python's shlex.split, and Systemd as systemd
// does in units. What they do besides, such as filling in variables, is the caller's
// affair, but for SystemdVariables.
package shellwords
