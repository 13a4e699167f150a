package appspec

// The gate block stands beside the app blocks, once in a directory.

var gateAttributes = []Attribute{
	{Path: "gate.proxy_protocol", Type: TypeList, Default: "[]", Disruption: Live, Example: `["10.0.0.0/8"]`,
		Form: "networks as CIDRs", check: checkCIDR,
		Doc: "from these sources a PROXY header (version 1 or 2) is required before anything else, and believed; from no others",
		at:  func(s *Spec, _ int) any { return gateField(s, func(g *Gate) any { return &g.ProxyProtocol }) }},
	{Path: "gate.default", Type: TypeString, Disruption: Live, Example: `"blog"`,
		Form: "the name of an app", check: checkText,
		Doc: "the app for names that no app has, and for requests without a name; without it they get 421",
		at:  func(s *Spec, _ int) any { return gateField(s, func(g *Gate) any { return &g.Default }) }},
	{Path: "gate.http.listen", Type: TypeString, Required: true, Disruption: Replace, Example: `"0.0.0.0:80"`,
		Form: "`host:port`, `unix:/path` or `systemd:NAME` (a FileDescriptorName)", check: checkListen,
		Doc: "the address; `0.0.0.0` is all of IPv4, `[::]` all of IPv6, `*` both",
		at: func(s *Spec, i int) any {
			if s.Gate == nil {
				return nil
			}
			return &s.Sockets.HTTP[i].Listen
		}},
	{Path: "gate.http.redirect", Type: TypeString, Disruption: Live, Example: `"https"`,
		OneOf: []string{"https"},
		Doc:   "`https`: who asks for a host that has a certificate is sent to the first listener with `tls` (308); others are served here",
		at:    func(s *Spec, i int) any { return gateListener(s, i, func(h *HTTPSocket) any { return &h.Redirect }) }},
	{Path: "gate.http.tls.cert", Type: TypeString, Disruption: Live, Example: `"/etc/ssl/sites.pem"`,
		Form: "an absolute path", check: checkAbsolute,
		Doc: "a certificate chain, PEM, for the apps that have none of their own",
		at:  func(s *Spec, i int) any { return gateTLS(s, i, func(t *TLS) any { return &t.Cert }) }},
	{Path: "gate.http.tls.key", Type: TypeString, Disruption: Live, Example: `"/etc/ssl/sites.key"`,
		Form: "an absolute path", check: checkAbsolute,
		Doc: "its private key, PEM; the masters of the apps read it, the gate cannot",
		at:  func(s *Spec, i int) any { return gateTLS(s, i, func(t *TLS) any { return &t.Key }) }},
	{Path: "gate.http.tls.acme.email", Type: TypeString, Disruption: Live, Example: `"ops@example.org"`,
		Form: "an address", check: checkEmail,
		Doc: "required: whom the authority may write to, who agrees to its terms by this block",
		at:  func(s *Spec, i int) any { return gateACME(s, i, func(a *ACME) any { return &a.Email }) }},
	{Path: "gate.http.tls.acme.directory", Type: TypeString, Default: Quote(LetsEncrypt), Disruption: Live,
		Form: "a URL that begins with `https://`", check: checkDirectory,
		Doc: "the directory of the authority, Let's Encrypt's where it is not written; another one gives new certificates to all names",
		at:  func(s *Spec, i int) any { return gateACME(s, i, func(a *ACME) any { return &a.Directory }) }},
	{Path: "gate.http.tls.acme.ca", Type: TypeString, Disruption: Live, Example: `"/etc/acme-ca.pem"`,
		Form: "an absolute path", check: checkAbsolute,
		Doc: "a file of root certificates, PEM, by which alone the server of the authority is trusted; default: as this machine trusts others",
		at:  func(s *Spec, i int) any { return gateACME(s, i, func(a *ACME) any { return &a.CA }) }},
}

var gateBlocks = []Block{
	{Path: "gate", NoDefaults: true,
		Doc:  "the front door of all apps: it brings each connection to the app that has the host name in its `hosts`; once in a directory, beside the apps",
		open: func(s *Spec, _ int) { s.Gate = &Gate{} }},
	{Path: "gate.http", Many: true, NoDefaults: true, Doc: "a listener of the gate",
		open:  func(s *Spec, _ int) { s.Sockets.HTTP = append(s.Sockets.HTTP, HTTPSocket{Mode: 0o666}) },
		clear: func(s *Spec) { s.Sockets.HTTP = nil }},
	{Path: "gate.http.tls", NoDefaults: true,
		Doc:  "TLS on that listener, HTTP/2 comes with it: the name in a client's hello leads it to the app, whose master shows the certificate; `tls { }` where each app has its own; the files are read again when they change",
		open: func(s *Spec, i int) { s.Sockets.HTTP[i].TLS = &TLS{} }},
	{Path: "gate.http.tls.acme", NoDefaults: true,
		Doc:  "the daemon gets a certificate for each name of the apps that have no `tls` of their own, and renews it in time: see *Automatic certificates*; once for all listeners",
		open: func(s *Spec, i int) { s.Sockets.HTTP[i].TLS.ACME = &ACME{Directory: LetsEncrypt} }},
}

// LetsEncrypt is the directory of the authority that is asked where none is named.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

func gateACME(s *Spec, i int, of func(*ACME) any) any {
	return gateTLS(s, i, func(t *TLS) any {
		if t.ACME == nil {
			return nil
		}
		return of(t.ACME)
	})
}

func gateListener(s *Spec, i int, of func(*HTTPSocket) any) any {
	if s.Gate == nil || i >= len(s.Sockets.HTTP) {
		return nil
	}
	return of(&s.Sockets.HTTP[i])
}

func gateTLS(s *Spec, i int, of func(*TLS) any) any {
	return gateListener(s, i, func(h *HTTPSocket) any {
		if h.TLS == nil {
			return nil
		}
		return of(h.TLS)
	})
}

func gateField(s *Spec, of func(*Gate) any) any {
	if s.Gate == nil {
		return nil
	}
	return of(s.Gate)
}

// GateAttributes are the attributes of the gate block, in the order of the reference
// page. They are shared: change nothing in them.
func GateAttributes() []Attribute { return gateAttributes }

// GateBlocks are the gate block and those inside of it.
func GateBlocks() []Block { return gateBlocks }
