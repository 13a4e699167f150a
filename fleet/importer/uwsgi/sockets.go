package uwsgi

import (
	"cmp"
	"net"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// protocol is one that nginx speaks to uWSGI, and that is not HTTP.
type protocol struct{ name, pass string }

var protocols = map[string]protocol{
	"uwsgi": {"uWSGI's protocol", "uwsgi_pass"}, "fastcgi": {"FastCGI", "fastcgi_pass"}, "scgi": {"SCGI", "scgi_pass"},
}

// protocolOf is what was spoken at a socket: where its option does not say it, protocol does.
func (u *reader) protocolOf(key string, o *option) string {
	spoken := strings.TrimSuffix(key, "-socket")
	if key == "socket" {
		spoken = "uwsgi"
		if p := u.last["protocol"]; p != nil && o.key == "socket" {
			spoken = p.value
		}
	}
	return strings.TrimSuffix(spoken, "-nph")
}

// speaks says what is to be written in nginx where its socket speaks HTTP now.
func (p protocol) speaks(listen string) string {
	return "it spoke " + p.name + " and speaks HTTP now: " + facts.InPlaceOf(p.pass, listen)
}

func (u *reader) sockets(dir string) {
	var believed trust
	for _, key := range []string{"http-socket", "http", "https", "https-socket", "socket", "fastcgi-socket", "scgi-socket"} {
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
			spoken := u.protocolOf(key, o)
			if p, ok := protocols[spoken]; ok {
				f.Key = p.speaks(f.Value)
				believed.params = true
			} else if strings.HasPrefix(spoken, "http") {
				believed.http = cmp.Or(believed.http, o)
			} else {
				u.lose(o, "uWSGI spoke "+spoken+" there; the fleet speaks HTTP and mongrel2: write a socket into the block sockets")
				continue
			}
			believed.unix = believed.unix || strings.HasPrefix(f.Value, "unix:")
			if believed.first == nil {
				believed.first = o
			}
			u.app.Add(f)
		}
	}
	believed.facts(u)
	if believed.http != nil {
		u.app.Note(believed.http.at, was(believed.http), "uWSGI took /./ and /../ out of the path of a request, where they were sent as they are; the app gets the path as the client sent it: one that opens files by it has to check it")
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
