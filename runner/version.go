package runner

// Version is the program's version: what the commands print, every response
// carries as X-Wsgid, and a master tells of itself.
const Version = "1.0.0"
