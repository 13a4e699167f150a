package importer

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// What a Unit 1.35.0 (of its repository's commit ad736f9f, built with its Python module) did
// with configurations like these was compared with what the imported specs do, by hand and for
// a hundred by chance. Debian has no package of it, so that the rows say what was seen, and
// hold what the import says of it.
func TestUnitDiffers(t *testing.T) {
	for name, c := range map[string]struct {
		listener, routes, app, rest string
		holds                       []string
	}{
		// It sent /static/nope to nobody: 404. /static/.hid was served, /static/sub/ by its
		// index.html, /static/sub was 301, POST 405, a link out of the folder was followed.
		"a share without a fallback": {routes: `[{"match": {"uri": "/static/*"}, "action": {"share": "/srv/www$uri"}}, {"action": {"pass": "applications/a"}}]`,
			holds: []string{`url     = "/static/"`, "names begin with a dot, a folder's index.html for the folder", "without a fallback Unit answered 404 then", "405 to other methods than GET and HEAD"}},
		// A POST of a file went to the app, as did a folder without index.
		"a share with a fallback": {routes: `[{"action": {"share": "/srv/www$uri", "index": "a.txt", "fallback": {"pass": "applications/a"}}}]`,
			holds: []string{`url     = "/"`, "a folder's a.txt for the folder", "405 to other methods than GET and HEAD of its files: Unit gave them to the fallback", "!without a fallback"}},
		// /static/a.txt was served, and /stable/x looked for in the folder /srv/www/stable.
		"a share of names that begin alike": {routes: `[{"match": {"uri": "/sta*"}, "action": {"share": "/srv/www$uri"}}, {"action": {"pass": "applications/a"}}]`,
			holds: []string{"!static {", "match: uri: /sta*: not carried over: a static block has no pattern"}},
		"a share behind a step that takes some": {routes: `[{"match": {"host": "h"}, "action": {"pass": "applications/a"}}, {"action": {"share": "/srv/www$uri", "fallback": {"pass": "applications/a"}}}]`,
			holds: []string{"what a step before it matched did not come to its files; here static blocks are looked at first"}},
		// Requests for other hosts were answered 404.
		"one host, and nothing else": {routes: `[{"match": {"host": "h"}, "action": {"pass": "applications/a"}}]`,
			holds: []string{"Unit brought only what matches it to the app; all requests of the address reach it here"}},
		// /static/a.txt was answered by what is in /srv/index.html, as was all else.
		"steps behind one that takes all": {routes: `[{"match": {"uri": "/x"}, "action": {"pass": "applications/a"}}, {"action": {"share": "/srv/index.html"}}, {"action": {"share": "/srv/www$uri"}}, {"action": {"pass": "applications/a"}}]`,
			holds: []string{"!static {", "step 2 share: /srv/index.html: not carried over", "Unit brought only what matches it to the app"}},
		// SCRIPT_NAME=/pre PATH_INFO=/x of /pre/x, and PATH_INFO=/prex of /prex.
		"a prefix": {app: `, "prefix": "/pre/"`, holds: []string{`script_name       = "/pre"`, "Unit gave the app paths that are not below it without SCRIPT_NAME"}},
		// Of X-Forwarded-For: 1.2.3.4, 5.6.7.8 REMOTE_ADDR was 5.6.7.8.
		"one address that is believed": {listener: `, "forwarded": {"client_ip": "X-Forwarded-For", "protocol": "X-Forwarded-Proto", "source": "127.0.0.1"}`,
			holds: []string{`trusted_proxies = ["127.0.0.1/32"]`, `trusted_headers = ["x-forwarded-for", "x-forwarded-proto"]`, "Unit took the last address of the header, as it has no recursive"}},
		// Of X-Forwarded-For: 1.2.3.4, 127.0.0.1 REMOTE_ADDR was 1.2.3.4.
		"addresses of several kinds": {listener: `, "forwarded": {"client_ip": "X-Forwarded-For", "recursive": true, "source": ["::1", "10.1.2.3/8", "!10.0.0.1", "10.0.0.1-10.0.0.9"]}`,
			holds: []string{`trusted_proxies = ["::1/128", "10.0.0.0/8"]`, "source: !10.0.0.1: not carried over", "source: 10.0.0.1-10.0.0.9: not carried over", "!it has no recursive"}},
		"nobody who is believed": {listener: `, "client_ip": {"header": "X-Forwarded-For", "source": ["!10.0.0.1"]}`,
			holds: []string{"client_ip: not carried over: nobody is named whom it believes", "!trusted_headers"}},
		// It ran one process, which it ended at rest.
		"processes without a number": {app: `, "processes": {}`, holds: []string{"min             = 0", "!not a number", `idle_timeout    = "15s"`}},
		"headers with an underscore": {rest: `, "settings": {"http": {"discard_unsafe_fields": false}}`, holds: []string{"discard_unsafe_fields: false: not carried over: headers with other characters"}},
		"headers without":            {rest: `, "settings": {"http": {"discard_unsafe_fields": true}}`, holds: []string{"!discard_unsafe_fields"}},
	} {
		t.Run(name, func(t *testing.T) {
			pass := "applications/a"
			if c.routes != "" {
				pass, c.rest = "routes", c.rest+`, "routes": `+c.routes
			}
			dir := peertest.WriteFiles(t, map[string]string{"conf.json": `{"listeners": {"127.0.0.1:8300": {"pass": "` + pass + `"` + c.listener + `}},
"applications": {"a": {"type": "python", "path": "/srv/a", "module": "a"` + c.app + `}}` + c.rest + `}`})
			imp := importOne(t, facts.Options{}, filepath.Join(dir, "conf.json"))
			holds(t, strings.ReplaceAll(string(imp.Text), dir, ""), c.holds...)
		})
	}
}
