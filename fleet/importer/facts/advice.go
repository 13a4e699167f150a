package facts

// What is said of settings that more than one peer has.
const (
	OnlyInEnviron = "it reached the environ of a request only, never os.environ: write it into env, and let the app read os.environ, if it is to see it"
	NoRewrites    = "requests are not rewritten: do it in the app, or in a web server in front"
	NoHeaders     = "headers are the app's, or a web server's in front"
	ProxyHeaders  = "proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; and proxy_set_header X-Forwarded-Proto $scheme;"
	NoAccessRules = "who may ask is decided by the app, or by a web server in front: it is open here"
)
