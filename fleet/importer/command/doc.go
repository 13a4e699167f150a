// Package command reads command lines, wherever they stand: what a shell, env or an init
// script puts before a server is taken off, and the reader of the server does the rest.
package command
