package importer

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// listen makes an http block of an address.
func (d *draft) listen(f facts.Fact) {
	address, ok := d.address(f.Value)
	if !ok {
		d.drop(f, "it is not an address that an app listens on here: write host:port or unix:/path")
		return
	}
	http, _ := d.list("http")
	for _, one := range http {
		if one.(map[string]any)["listen"] == address {
			return
		}
	}
	values := map[string]any{"listen": address}
	if len(f.List) == 2 { // certificate and key
		values["tls"] = map[string]any{"cert": f.List[0], "key": f.List[1]}
	}
	d.came(fmt.Sprintf("sockets.http[%d].listen", len(http)), f)
	put(d.page.values, "sockets.http", append(http, values))
	if f.Key != "" {
		d.say(f, f.Key)
	}
}

func (d *draft) list(kind string) ([]any, bool) {
	v, ok := lookup(d.page.values, "sockets."+kind)
	list, _ := v.([]any)
	return list, ok
}

// address is an address of a peer as our listen has it.
func (d *draft) address(text string) (string, bool) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		if !filepath.IsAbs(path) {
			path = filepath.Join(d.dir.Value, path)
		}
		if !filepath.IsAbs(path) {
			return "", false
		}
		text = "unix:" + filepath.Clean(path)
	} else if host, port, err := net.SplitHostPort(text); err == nil && !strings.HasPrefix(text, "systemd:") {
		switch host {
		case "", "*":
			host = "0.0.0.0"
		}
		text = net.JoinHostPort(host, port)
	}
	instead, ok := appspec.Table().Attribute["sockets.http.listen"].Check(text)
	return text, ok && instead == ""
}

// socketRights gives mode, owner and group to the unix sockets.
func (d *draft) socketRights() {
	http, _ := d.list("http")
	for _, kind := range []string{facts.SetSocketMode, facts.SetSocketUser, facts.SetSocketGrp} {
		f, ok := d.sock[kind]
		if !ok {
			continue
		}
		a := appspec.Table().Attribute[kind]
		v, err := valueOf(a, f)
		if err != nil {
			d.drop(f, err.Error())
			continue
		}
		for i, one := range http {
			values := one.(map[string]any)
			if listen, _ := values["listen"].(string); strings.HasPrefix(listen, "unix:") {
				values[a.Name()] = v
				d.came(fmt.Sprintf("sockets.http[%d].%s", i, a.Name()), f)
			}
		}
	}
}

// listens says what to write where nothing does.
func (d *draft) listens() {
	if http, _ := d.list("http"); len(http) > 0 {
		return
	}
	if _, named := d.page.values["hosts"]; named {
		return // a gate brings the requests
	}
	d.drop(facts.Fact{}, "no socket is named: write one into the block sockets")
	d.page.sockets = []string{
		"http {",
		`  listen = "127.0.0.1:8000"`,
		"}",
	}
}

// gateBlock is the gate for the addresses that an app shares with others, as comments: a
// directory has one, so it can be in no app's file.
func (d *draft) gateBlock() []string {
	if len(d.gate) == 0 {
		return nil
	}
	lines := []string{"For all apps that share these addresses, once, in a file such as gate.hcl:", "gate {"}
	for _, f := range d.gate {
		lines = append(lines, "  http {", "    listen = "+appspec.Quote(f.Value))
		switch f.Key {
		case "tls":
			lines = append(lines, "    tls {}")
		case "acme":
			lines = append(lines, "    tls {", "      acme {", `        email = "you@example.org"`, "      }", "    }")
		case "https":
			lines = append(lines, `    redirect = "https"`)
		}
		lines = append(lines, "  }")
	}
	return append(lines, "}")
}
