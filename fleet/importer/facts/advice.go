package facts

import "strings"

// What is said of settings that more than one peer has.
const (
	OnlyInEnviron = "it reached the environ of a request only, never os.environ: write it into env, and let the app read os.environ, if it is to see it"
	NoRewrites    = "requests are not rewritten: do it in the app, or in a web server in front"
	NoHeaders     = "headers are the app's, or a web server's in front"
	ProxyHeaders  = "proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; and proxy_set_header X-Forwarded-Proto $scheme;"
	NoAccessRules = "who may ask is decided by the app, or by a web server in front: it is open here"
)

// InPlaceOf is what is to be written in nginx in place of a directive that passes requests
// on to an address by a protocol of its own. Its uwsgi_params and scgi_params tell the path
// that nginx has cleaned, proxy_pass without a path tells the one that was sent (1.22.1;
// findings/nginx-cleans-the-path-for-uwsgi-pass.sh).
func InPlaceOf(directive, address string) string {
	text := "in nginx write proxy_pass http://" + address + "; " + ProxyHeaders + " in place of " + directive
	if directive == "fastcgi_pass" {
		return text
	}
	end := "/"
	if strings.HasPrefix(address, "unix:") {
		end = ":/"
	}
	return text + "; nginx took . and .. and double slashes out of the path for that, and proxy_pass does so in location / as proxy_pass http://" + address + end + ";"
}
