package wsgi

import "bytes"

// Dropped names the headers of a request that AppendEnviron gives no entry: those
// that could pass for another ("X_User" for "X-User" would become the same
// HTTP_X_USER), and Proxy.
func Dropped(r *Request) (names []string) {
	for i := range r.Headers {
		name := r.Headers[i].Name
		id, _ := lookupHeader(name)
		if id == idProxy || id == idUnknown && bytes.ContainsFunc(name, func(c rune) bool { return c > 0x7f || environChar[c] == 0 }) {
			names = append(names, string(name))
		}
	}
	return names
}
