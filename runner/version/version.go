// Package version names the program's version, for all that tell it.
package version

// Program is the program's version: what the commands print, every response carries as
// X-Wsgid, and a master tells of itself.
const Program = "1.0.0"
