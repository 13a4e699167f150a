package apache

import (
	"slices"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

const notCompressed = "answers are not compressed: a filter of the app, or a web server in front, does it"

// told are directives of a host that are no loss, with what is instead of them.
var told = map[string]string{
	"sslprotocol": "TLS is chosen by the fleet", "sslciphersuite": "TLS is chosen by the fleet",
	"requestreadtimeout": "request.header_timeout, body_timeout and min_rate say it here",
	"errorlog":           "the log is logs/wsgid.log of the app folder, rotated by log.max_size and log.keep",
	"addtype":            "a file of a static block has the type that its ending has everywhere",
}

// differs names what Apache did by a directive that needs nothing in most cases: where its
// value says so. It tells whether it is such a directive.
func (c *conf) differs(a *app, d directive, was string) bool {
	says := func(value string) bool { return strings.EqualFold(d.arg(0), value) }
	switch d.name {
	case "adddefaultcharset": // of answers of the app, too (findings/apache-names-the-charset-of-an-app.sh)
		if d.arg(0) != "" && !says("off") {
			a.app.Lost(d.at, was, "an answer of text without a charset goes out as it is: let the app name its charset")
		}
	case "order": // with no Allow, Apache denies all
		if strings.EqualFold(strings.ReplaceAll(strings.Join(d.args, ""), " ", ""), "allow,deny") && !c.beside(d, "allow") {
			a.app.Lost(d.at, was, facts.NoAccessRules)
		}
	case "allow":
		if len(d.args) != 2 || !strings.EqualFold(d.args[1], "all") {
			a.app.Lost(d.at, was, facts.NoAccessRules)
		}
	case "options":
		if d.host != nil && slices.ContainsFunc(d.args, func(o string) bool {
			return strings.EqualFold(strings.TrimPrefix(o, "+"), "indexes") || strings.EqualFold(o, "all")
		}) {
			a.app.Note(d.at, was, "a static block makes no list of a folder's files: the app is asked for the folder")
		}
	case "ssloptions": // Debian's own is for programs by CGI
		ofFiles := len(d.within) > 0 && !strings.HasPrefix(strings.ToLower(d.within[len(d.within)-1]), "<location")
		if !ofFiles && slices.ContainsFunc(d.args, func(o string) bool {
			return slices.Contains([]string{"stdenvvars", "exportcertdata"}, strings.ToLower(strings.TrimPrefix(o, "+")))
		}) {
			a.app.Note(d.at, was, "no variable SSL_… reaches the app: wsgi.url_scheme tells it of https")
		}
	case "keepalive":
		if says("off") {
			a.app.Note(d.at, was, "a connection waits for its next request for request.keep_alive_timeout here")
		}
	case "hostnamelookups":
		if !says("off") {
			a.app.Note(d.at, was, "no name is looked up for REMOTE_HOST: let the app do it")
		}
	case "usecanonicalname":
		if !says("off") {
			a.app.Note(d.at, was, "SERVER_NAME is what the request asks for here: compare it with ServerName in the app")
		}
	default:
		why, is := told[d.name]
		if is && d.host != nil {
			a.app.Note(d.at, was, why)
		}
		return is
	}
	return true
}

// beside tells whether a directive stands in the same section as another one.
func (c *conf) beside(d directive, name string) bool {
	return slices.ContainsFunc(c.all, func(e directive) bool {
		return e.name == name && e.host == d.host && slices.Equal(e.within, d.within)
	})
}

// limit is how long a request can take, and why that is not what was written.
type limit struct{ value, why string }

// meanOf is how long a request could take under a request-timeout: mod_wsgi compares with
// it the mean over all threads of the process, idle ones too, so that a lone request has
// the time of them all (4.9.4; findings/mod-wsgi-request-timeout-is-a-mean.sh).
func meanOf(timeout, threads string) limit {
	n, err := strconv.Atoi(timeout)
	of, err2 := strconv.Atoi(threads)
	if err != nil || err2 != nil || n <= 0 || of < 2 {
		return limit{value: timeout}
	}
	return limit{strconv.Itoa(min(n*of, 24*60*60)), "; mod_wsgi takes the mean over all " + threads + " threads of a process, so a lone request could take " + threads + " times as long: write the limit that is meant"}
}

// startsOfPython are what Apache says of its Python for all applications.
func (c *conf) startsOfPython(a *app) {
	for name, variable := range map[string]string{"wsgipythonoptimize": "PYTHONOPTIMIZE", "wsgipythonwarnings": "PYTHONWARNINGS"} {
		var all []string
		var last directive
		for _, d := range c.all {
			if d.name == name && d.arg(0) != "" && d.arg(0) != "0" {
				all, last = append(all, d.arg(0)), d
			}
		}
		if name == "wsgipythonoptimize" && len(all) > 1 {
			all = all[len(all)-1:]
		}
		if len(all) > 0 {
			a.app.Add(facts.Fact{Set: facts.SetEnv, Key: variable, Value: strings.Join(all, ","), Was: last.was, At: last.at})
		}
	}
}
