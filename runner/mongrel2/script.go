package mongrel2

import "bytes"

// ScriptName returns the mount point of the application: the part of the
// request's path that the route stands for. path and pattern are PATH and
// PATTERN as mongrel2 sent them; the result is a prefix of path, and what is
// left of path is PATH_INFO, to be decoded after the split.
//
// A route is a plain string prefix, so "/t" also catches "/tfoo", and mongrel2 (1.12.2)
// gives it paths that it begins with itself, as "/": there the route is no mount point
// and ScriptName is empty. A route with a pattern in
// parentheses counts up to the last "/" before it.
func ScriptName(path, pattern []byte) []byte {
	base := pattern
	if i := bytes.IndexByte(base, '('); i >= 0 {
		base = base[:i]
		base = base[:bytes.LastIndexByte(base, '/')+1]
	}
	for len(base) > 0 && base[len(base)-1] == '/' {
		base = base[:len(base)-1]
	}
	if !bytes.HasPrefix(path, base) {
		return path[:0]
	}
	if len(path) > len(base) && path[len(base)] != '/' {
		return path[:0]
	}
	return path[:len(base)]
}
