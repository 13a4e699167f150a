package appspec

// The gate block stands beside the app blocks, once in a directory.

var gateAttributes = []Attribute{
	{Path: "gate.proxy_protocol", Type: TypeList, Default: "[]", Built: true, Disruption: Live, Example: `["10.0.0.0/8"]`,
		Form: "networks as CIDRs", check: checkCIDR,
		Doc: "from these sources a PROXY header (version 1 or 2) is required before anything else, and believed; from no others",
		at:  func(s *Spec, _ int) any { return gateField(s, func(g *Gate) any { return &g.ProxyProtocol }) }},
	{Path: "gate.default", Type: TypeString, Built: true, Disruption: Live, Example: `"blog"`,
		Form: "the name of an app", check: checkText,
		Doc: "the app for names that no app has, and for requests without a name; without it they get 421",
		at:  func(s *Spec, _ int) any { return gateField(s, func(g *Gate) any { return &g.Default }) }},
	{Path: "gate.http.listen", Type: TypeString, Built: true, Required: true, Disruption: Replace, Example: `"0.0.0.0:80"`,
		Form: "`host:port`, `unix:/path` or `systemd:NAME` (a FileDescriptorName)", check: checkListen,
		Doc: "the address; `0.0.0.0` is all of IPv4, `[::]` all of IPv6, `*` both",
		at: func(s *Spec, i int) any {
			if s.Gate == nil {
				return nil
			}
			return &s.Sockets.HTTP[i].Listen
		}},
}

var gateBlocks = []Block{
	{Path: "gate", NoDefaults: true, Built: true,
		Doc:  "the front door of all apps: it brings each connection to the app that has the host name in its `hosts`; once in a directory, beside the apps",
		open: func(s *Spec, _ int) { s.Gate = &Gate{} }},
	{Path: "gate.http", Many: true, NoDefaults: true, Built: true, Doc: "a listener of the gate",
		open:  func(s *Spec, _ int) { s.Sockets.HTTP = append(s.Sockets.HTTP, HTTPSocket{Mode: 0o666}) },
		clear: func(s *Spec) { s.Sockets.HTTP = nil }},
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
