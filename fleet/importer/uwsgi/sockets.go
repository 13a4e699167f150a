package uwsgi

import (
	"net"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

func (u *reader) sockets(dir string) {
	for _, key := range []string{"http-socket", "http", "https", "https-socket", "socket"} {
		for _, o := range u.all[key] {
			f := facts.Fact{Set: facts.SetListen, Was: was(o), At: o.at}
			address := o.value
			if strings.HasPrefix(key, "https") {
				parts := strings.Split(o.value, ",")
				if len(parts) < 3 {
					u.lose(o, "it names no certificate and key")
					continue
				}
				address = parts[0]
				f.List = []string{facts.Rel(dir, parts[1]), facts.Rel(dir, parts[2])}
			}
			f.Value = addressOf(address, dir)
			if f.Value == "" {
				u.lose(o, "it is not an address that an app listens on here")
				continue
			}
			proto := u.last["protocol"]
			if key == "socket" && (proto == nil || proto.value != "http") {
				front := strings.TrimPrefix(f.Value, "unix:")
				if front != f.Value {
					front = "http://unix:" + front
				} else {
					front = "http://" + front
				}
				f.Key = "it spoke uWSGI's protocol and speaks HTTP now: in nginx write proxy_pass " + front +
					"; and proxy_set_header Host $host; in place of uwsgi_pass"
			}
			u.app.Add(f)
		}
	}
	mode, haveMode := u.last["chmod-socket"], u.last["chmod-socket"] != nil
	if haveMode {
		switch value := mode.value; value {
		case "", "1":
			u.fact(facts.SetSocketMode, mode, "666")
		default:
			u.fact(facts.SetSocketMode, mode, value)
		}
	}
	if o := u.last["chown-socket"]; o != nil {
		owner, group, _ := strings.Cut(o.value, ":")
		if owner != "" {
			u.fact(facts.SetSocketUser, o, facts.UserName(owner))
		}
		if group != "" {
			u.fact(facts.SetSocketGrp, o, facts.GroupName(group))
		}
	}
}

// addressOf is an address as our listen has it: what has no colon is a unix socket.
func addressOf(address, dir string) string {
	if strings.HasPrefix(address, "=") || strings.HasPrefix(address, "@") || address == "" {
		return ""
	}
	host, port, ok := strings.Cut(address, ":")
	if i := strings.LastIndexByte(address, ':'); i >= 0 {
		host, port = address[:i], address[i+1:]
	}
	if !ok {
		return "unix:" + facts.Rel(dir, address)
	}
	if strings.HasPrefix(address, "unix:") {
		return ""
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}
