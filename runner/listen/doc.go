// Package listen opens the listening sockets of a spec: where they listen, whose
// their files are, and which of those that were open before can serve on.
package listen
