package appspec

import (
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// maxUnixPath is the longest path of a unix socket: sun_path of unix(7) less its
// final NUL.
const maxUnixPath = 107

func checkListen(s string) (string, bool) {
	if instead, ok := checkText(s); !ok || hasControl(s) {
		return instead, false
	}
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if clean := "/" + strings.TrimLeft(path, "/"); strings.HasPrefix(path, "//") {
			return "write " + Quote("unix:"+clean), false
		}
		switch {
		case !filepath.IsAbs(path) || path == "/":
			return "write an absolute path: " + Quote("unix:/run/"+strings.TrimLeft(path, "./")), false
		case strings.HasSuffix(path, "/"):
			return "it names a folder: give the socket's file in it: " + Quote("unix:"+path+"blog.sock"), false
		case len(path) > maxUnixPath:
			return "the path of a unix socket has at most 107 bytes, this one has " + strconv.Itoa(len(path)), false
		}
		return "", true
	}
	if name, ok := strings.CutPrefix(s, "systemd:"); ok {
		if name == "" || len(name) > 255 || strings.ContainsAny(name, ": /") {
			return `write "systemd:NAME" with the FileDescriptorName= of the .socket unit`, false
		}
		return "", true
	}
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		rest, _, _ = strings.Cut(rest, "/")
		if scheme == "https" {
			return "write " + Quote(rest) + " and a tls block", false
		}
		if scheme == "fd" {
			return `a descriptor of systemd's has a name: write "systemd:NAME" with the FileDescriptorName= of the .socket unit`, false
		}
		return "write host and port alone: " + Quote(rest), false
	}
	if strings.HasPrefix(s, "/") {
		return "write " + Quote("unix:"+s), false
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		switch {
		case isPort(s):
			return "give the address too: " + Quote("127.0.0.1:"+s) + ", or " + Quote("*:"+s) + " for all", false
		case strings.Count(s, ":") > 1:
			return `an IPv6 address is written in brackets: "[::1]:8000"`, false
		case !strings.Contains(s, ":") && s != "":
			return "give the port: " + Quote(s+":8000"), false
		}
		return `write "host:port", "unix:/path" or "systemd:NAME"`, false
	}
	if !isPort(port) {
		return "a port is a number from 1 to 65535", false
	}
	if host != "" && host != "*" && !isHost(host) {
		return "the host is an IP address or a name", false
	}
	return "", true
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && s[0] != '+'
}

// isHost tells whether s can be an address or a host name.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if s == "" || len(s) > 253 || strings.Trim(s, "0123456789.") == "" {
		return false
	}
	for _, c := range []byte(s) {
		if c != '.' && c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// transports are those of ZeroMQ that wsgid takes.
var transports = []string{"inproc", "ipc", "tcp", "pgm", "epgm"}

func checkEndpoint(s string) (string, bool) {
	if hasControl(s) {
		return "an endpoint has no control characters", false
	}
	transport, rest, ok := strings.Cut(s, "://")
	if !ok {
		if _, port, err := net.SplitHostPort(s); err == nil && isPort(port) {
			return "give the transport: " + Quote("tcp://"+s), false
		}
		if strings.HasPrefix(s, "/") {
			return "give the transport: " + Quote("ipc://"+s), false
		}
		return `write a ZeroMQ endpoint, such as "tcp://127.0.0.1:9997" or "ipc:///run/blog.ipc"`, false
	}
	known := false
	for _, t := range transports {
		known = known || t == transport
	}
	switch {
	case !known:
		return "the transport is one of " + strings.Join(transports, ", ") + ", not " + transport, false
	case rest == "":
		return "give the address after " + transport + "://", false
	case transport == "ipc" && len(rest) > maxUnixPath:
		return "the path of an ipc endpoint has at most 107 bytes, this one has " + strconv.Itoa(len(rest)), false
	case transport == "tcp":
		// A source address may stand before a semicolon, see zmq_tcp(7).
		host, port, err := net.SplitHostPort(rest[strings.LastIndexByte(rest, ';')+1:])
		switch {
		case err != nil && !strings.Contains(rest, ":"):
			return "a tcp endpoint has a port: " + Quote("tcp://"+rest+":9997"), false
		case err != nil || !isPort(port):
			return "a tcp endpoint ends in a port from 1 to 65535: " + Quote("tcp://127.0.0.1:9997"), false
		case host == "*":
			return "* is for the side that binds, which is mongrel2: write its address, " + Quote("tcp://127.0.0.1:"+port), false
		case host == "":
			return "give the host: " + Quote("tcp://127.0.0.1:"+port), false
		case strings.Contains(host, ":"):
			// It would be connected to without an error, and nothing would ever come
			// (findings/zmq-connects-to-ipv6-without-a-word.sh).
			return "mongrel2 has no IPv6 for its handlers: write an IPv4 address of its machine in both configurations, " + Quote("tcp://127.0.0.1:"+port), false
		}
	}
	return "", true
}
