// Package supervisord reads the programs of a supervisord.conf, with its includes and
// expansions. A program that starts a server is an app; one beside it in its folder is a
// process of that app.
package supervisord
