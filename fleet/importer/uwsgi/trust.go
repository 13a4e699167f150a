package uwsgi

import "github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"

// trust is what proxies said of a client. By HTTP uWSGI takes the scheme from
// X-Forwarded-Proto, and nothing else (2.0.21;
// findings/uwsgi-takes-the-scheme-from-a-header.sh); by its own protocol it was told
// REMOTE_ADDR and HTTPS, which headers tell now.
type trust struct {
	first  *option // that names an address
	unix   bool    // one is a unix socket
	params bool    // one spoke uWSGI's protocol
	http   *option // the first that speaks HTTP
}

func (t *trust) facts(u *reader) {
	if t.first == nil {
		return
	}
	proxies := []string{"127.0.0.1/32", "::1/128"}
	if t.unix {
		proxies = append(proxies, "unix")
	}
	headers, why := []string{"x-forwarded-proto"}, "it took the scheme alone from headers; add x-forwarded-for where the proxy sets it, and REMOTE_ADDR is the client"
	if t.params {
		headers, why = []string{"x-forwarded-for", "x-forwarded-proto"}, "in place of the parameters REMOTE_ADDR and HTTPS"
	}
	from := facts.Position{File: "uWSGI"}
	u.app.Add(facts.Fact{Set: "request.trusted_proxies", List: proxies, Was: "it asked nobody who sent it; here those of this machine, add the networks of others", At: from})
	u.app.Add(facts.Fact{Set: "request.trusted_headers", List: headers, Was: why, At: from})
}
