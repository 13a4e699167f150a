// Package importer makes specs of what people run their applications with today.
//
// # One way for all
//
//	files → reader → facts → mapping → draft → printer → text
//
// A reader, a package of its own below this one, knows one peer: what its files mean to
// the real program, which is often not what one would guess. It gives facts (package
// facts: "the application is in this module", "two workers"), each with the file and
// the line it stands in. One mapping makes a draft of an app of them, in the words of
// the spec language, and one printer writes that as HCL. What a reader or the mapping
// could not carry over stands in the text as a comment, with what to do instead.
//
// # Nothing is started, nothing is changed
//
// Files are read, no program of the app is run. The one exception is the Python
// configuration of gunicorn, which only Python can read: a child evaluates it, with
// little time, as the owner of the file, and without importing the application.
//
// # Secrets
//
// A value whose name gives it away as a secret (PASSWORD, SECRET_KEY, …) is never
// printed: the text says file("secrets/APP/NAME"), and Imported.Secrets holds what
// belongs into those files.
package importer
