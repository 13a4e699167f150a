package gunicorn

import (
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// Trust carries over whose forwarding headers count.
func Trust(a *facts.App, s facts.Setting) {
	f := facts.Fact{Set: "request.trusted_proxies", Was: s.Was, At: s.At}
	for ip := range strings.SplitSeq(s.Value(), ",") {
		switch ip = strings.TrimSpace(ip); {
		case ip == "*":
			f.List = []string{"0.0.0.0/0", "::/0", "unix"}
			a.Add(f)
			return
		case ip == "unix":
			f.List = append(f.List, ip)
		case strings.Contains(ip, ":"):
			f.List = append(f.List, ip+"/128")
		case ip != "":
			f.List = append(f.List, ip+"/32")
		}
	}
	a.Add(f)
}

// scheme carries over of whom gunicorn takes the scheme of a request, which is all that it
// takes of a proxy: of forwarded_allow_ips, or the variable of that name, or of this
// machine, and always of who comes by a unix socket (20.1.0;
// findings/gunicorn-believes-a-unix-socket.sh). Three headers tell it, unless
// secure_scheme_headers says otherwise (findings/gunicorn-refuses-headers-that-disagree.sh).
func scheme(a *facts.App, c facts.Command, settings map[string]facts.Setting) {
	s, ok := settings["forwarded_allow_ips"]
	if !ok {
		s = facts.Setting{List: []string{"127.0.0.1,::1"}, Was: "gunicorn's default", At: c.At}
		if value, set := c.Env["FORWARDED_ALLOW_IPS"]; set {
			s.List, s.Was = []string{value}, "the variable FORWARDED_ALLOW_IPS"
		}
	}
	if slices.ContainsFunc(a.Facts, func(f facts.Fact) bool { return f.Set == facts.SetListen && strings.HasPrefix(f.Value, "unix:") }) {
		s.List = []string{s.Value() + ",unix"}
		s.Was += ", and whoever comes by a unix socket"
	}
	if strings.Trim(s.Value(), ", ") == "" {
		return
	}
	own, changed := settings["secure_scheme_headers"]
	also := ", also of X-Forwarded-Ssl: on and X-Forwarded-Protocol: ssl, in place of which it is to set X-Forwarded-Proto"
	if changed {
		also = ""
		if !slices.Equal(own.List, []string{"X-FORWARDED-PROTO: https"}) {
			a.Lost(own.At, own.Was, "whether a request came by https is told by X-Forwarded-Proto: have the proxy set it")
		}
		if !slices.Contains(own.List, "X-FORWARDED-PROTO: https") {
			return // gunicorn did not look at it
		}
	}
	Trust(a, s)
	a.Add(facts.Fact{Set: "request.trusted_headers", List: []string{"x-forwarded-proto"}, At: s.At,
		Was: "gunicorn took the scheme alone of a proxy" + also + "; add x-forwarded-for where the proxy sets it, and REMOTE_ADDR is the client"})
}
