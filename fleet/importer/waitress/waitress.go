// Package waitress reads what waitress is told: by the command line of waitress-serve, and
// by the server section of a file of PasteDeploy.
package waitress

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// switches are settings that an option sets with no value, or takes back as --no-….
var switches = facts.Words(`ipv4 ipv6 log_untrusted_proxy_headers clear_untrusted_proxy_headers log_socket_errors expose_tracebacks asyncore_use_poll`)

// others are settings with a value.
var others = facts.Words(`host port listen threads trusted_proxy trusted_proxy_count trusted_proxy_headers url_scheme url_prefix backlog recv_bytes
	send_bytes outbuf_overflow outbuf_high_watermark inbuf_overflow connection_limit cleanup_interval channel_timeout max_request_header_size
	max_request_body_size ident asyncore_loop_timeout unix_socket unix_socket_perms sockets channel_request_lookahead server_name app`)

// quiet are settings that need nothing here: what they say is done here too, or is of
// waitress's own insides alone.
var quiet = facts.Words(`ipv4 ipv6 log_untrusted_proxy_headers clear_untrusted_proxy_headers log_socket_errors asyncore_use_poll asyncore_loop_timeout backlog
	recv_bytes send_bytes outbuf_overflow outbuf_high_watermark inbuf_overflow connection_limit cleanup_interval channel_request_lookahead server_name use sockets`)

// Command reads a command line of waitress-serve.
func Command(a *facts.App, c facts.Command) error {
	settings, call := map[string]facts.Setting{}, false
	args := c.Argv[1:]
	app := ""
	for i := 0; i < len(args); i++ {
		arg, value, has := strings.Cut(args[i], "=")
		if !strings.HasPrefix(arg, "--") {
			if app = args[i]; i != len(args)-1 {
				return fmt.Errorf("%s: waitress-serve takes one application, behind its options, and does not start with it", c.At)
			}
			break
		}
		name := strings.ReplaceAll(arg[2:], "-", "_")
		switch plain, no := strings.CutPrefix(name, "no_"); {
		case name == "call":
			call = true
			continue
		case no && switches[plain]:
			settings[plain] = facts.Setting{List: []string{"false"}, Was: arg, At: c.At}
			continue
		case switches[name]:
			settings[name] = facts.Setting{List: []string{"true"}, Was: arg, At: c.At}
			continue
		case !others[name]:
			return fmt.Errorf("%s: waitress-serve has no option %s, and does not start with it", c.At, arg)
		case !has:
			if i++; i >= len(args) {
				return fmt.Errorf("%s: waitress-serve's option %s wants a value", c.At, arg)
			}
			value = args[i]
		}
		if name == "app" { // waitress 3
			app = value
			continue
		}
		s := settings[name]
		if name != "listen" {
			s.List = nil
		}
		s.List, s.Was, s.At = append(s.List, value), arg+" "+value, c.At
		settings[name] = s
	}
	if app != "" {
		f := facts.Fact{Set: facts.SetModule, Value: app, Was: facts.Either(c.Was, app), At: c.At}
		if call {
			f.Value += "()"
		}
		a.Add(f)
	}
	a.Add(facts.Fact{Set: facts.SetDirectory, Value: c.Dir, At: c.At})
	a.Add(facts.Fact{Set: facts.SetSearchPath, Value: c.Dir, At: c.At})
	Settings(a, c, settings)
	return nil
}

// Settings carries over what waitress is told; what is not said is as waitress has it.
func Settings(a *facts.App, c facts.Command, settings map[string]facts.Setting) {
	sockets(a, c, settings)
	number := func(attribute, name, preset, unit string) {
		s, ok := settings[name]
		if !ok {
			s = facts.Setting{List: []string{preset}, Was: "waitress's default", At: c.At}
		}
		a.Add(facts.Fact{Set: attribute, Value: s.Value() + unit, Was: s.Was, At: s.At})
	}
	number("workers.threads", "threads", "4", "")
	a.Add(facts.Fact{Set: "workers.request_timeout", Value: "24h", Was: "waitress ends no request, however long it takes", At: c.At})
	number("request.max_body", "max_request_body_size", "1073741824", "")
	number("request.keep_alive_timeout", "channel_timeout", "120", "s")
	if s, ok := settings["url_prefix"]; ok {
		if prefix := strings.Trim(s.Value(), "/ "); prefix != "" {
			a.Add(facts.Fact{Set: "script_name", Value: "/" + prefix, Was: s.Was, At: s.At})
		}
	}
	if s, ok := settings["url_scheme"]; ok && s.Value() != "http" {
		a.Lost(s.At, s.Was, "whether a request came by https is told by a proxy: have it set X-Forwarded-Proto, and name it in request.trusted_proxies")
	}
	proxies(a, settings)
	if s, ok := settings["expose_tracebacks"]; ok && facts.IsTrue(s.Value()) {
		a.Note(s.At, s.Was, "a client is told no traceback; the log has it, and with debug = true the body of the answer")
	}
	if s, ok := settings["max_request_header_size"]; ok {
		a.Note(s.At, s.Was, "the head of a request may be as large as request.max_head says")
	}
	if s, ok := settings["ident"]; ok {
		a.Note(s.At, s.Was, "no header Server is sent; server_header = false leaves X-Wsgid out as well")
	}
	done := facts.Words(`host port listen unix_socket unix_socket_perms threads max_request_body_size channel_timeout url_prefix url_scheme trusted_proxy
		trusted_proxy_headers trusted_proxy_count expose_tracebacks max_request_header_size ident`)
	for _, name := range facts.SortedKeys(settings) {
		if s := settings[name]; !done[name] && !quiet[name] {
			a.Lost(s.At, s.Was, "waitress knows no such setting, and does not start with it")
		}
	}
}

func sockets(a *facts.App, c facts.Command, settings map[string]facts.Setting) {
	if s, ok := settings["unix_socket"]; ok {
		a.Add(facts.Fact{Set: facts.SetListen, Value: "unix:" + facts.Rel(c.Dir, s.Value()), Was: s.Was, At: s.At})
		mode := facts.Setting{List: []string{"600"}, Was: "waitress's mode of its socket", At: s.At}
		if own, ok := settings["unix_socket_perms"]; ok {
			mode = own
		}
		a.Add(facts.Fact{Set: facts.SetSocketMode, Value: strings.TrimPrefix(mode.Value(), "0o"), Was: mode.Was, At: mode.At})
		return
	}
	listen, ok := settings["listen"]
	host, port := settings["host"], settings["port"]
	if !ok {
		listen = facts.Setting{List: []string{facts.Either(host.Value(), "0.0.0.0") + ":" + facts.Either(port.Value(), "8080")}, Was: "waitress's default", At: c.At}
		for _, s := range []facts.Setting{host, port} {
			if s.Was != "" {
				listen.Was, listen.At = s.Was, s.At
			}
		}
	}
	for one := range strings.FieldsSeq(strings.Join(listen.List, " ")) {
		if i := strings.LastIndexByte(one, ':'); i < 0 || strings.Contains(one[i:], "]") {
			one += ":8080"
		}
		if strings.Count(one, ":") > 1 && !strings.HasPrefix(one, "[") {
			i := strings.LastIndexByte(one, ':')
			one = "[" + one[:i] + "]" + one[i:]
		}
		a.Add(facts.Fact{Set: facts.SetListen, Value: one, Was: listen.Was, At: listen.At})
	}
}

// proxies carries over whose headers count, and which.
func proxies(a *facts.App, settings map[string]facts.Setting) {
	s, ok := settings["trusted_proxy"]
	if !ok || s.Value() == "" {
		return
	}
	f := facts.Fact{Set: "request.trusted_proxies", Was: s.Was, At: s.At}
	switch who := s.Value(); {
	case who == "*":
		f.List = []string{"0.0.0.0/0", "::/0", "unix"}
	case who == "localhost": // what comes by a unix socket
		f.List = []string{"unix"}
	case strings.Contains(who, ":"):
		f.List = []string{who + "/128"}
	default:
		f.List = []string{who + "/32"}
	}
	a.Add(f)
	headers := settings["trusted_proxy_headers"]
	list := strings.Fields(strings.ReplaceAll(strings.ToLower(strings.Join(headers.List, " ")), "_", "-"))
	if len(list) == 0 {
		list, headers.Was, headers.At = []string{"x-forwarded-proto"}, "waitress's default", s.At
	}
	if i := slices.Index(list, "x-forwarded-by"); i >= 0 {
		list = slices.Delete(list, i, i+1)
		a.Lost(headers.At, "x-forwarded-by", "it does not count here: the app is told the name by Host, or by x-forwarded-host")
	}
	slices.Sort(list)
	a.Add(facts.Fact{Set: "request.trusted_headers", List: list, Was: headers.Was, At: headers.At})
	if n := settings["trusted_proxy_count"]; n.Value() != "" && n.Value() != "1" {
		a.Note(n.At, n.Was, "the proxies of request.trusted_proxies are passed over, however many they are: name each of them")
	}
}
