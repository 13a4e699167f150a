// Package shellwords cuts command lines into words, one function for each of those who
// read them: Shell as sh(1) does, Line as it does with its variables and several commands,
// Shlex as Python's shlex.split, Tokens as Python's shlex without it, and Systemd as
// systemd does in units.
package shellwords
