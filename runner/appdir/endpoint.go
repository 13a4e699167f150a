package appdir

import (
	"fmt"
	"strconv"
	"strings"
)

// transports are the ZeroMQ transports that wsgid accepts.
var transports = []string{"inproc", "ipc", "tcp", "pgm", "epgm"}

// CheckEndpoint checks a ZeroMQ endpoint as wsgid does: a known transport, an
// address, and for tcp a port. name is the option's, for the message.
func CheckEndpoint(name, endpoint string) error {
	transport, address, ok := strings.Cut(endpoint, "://")
	if !ok {
		return fmt.Errorf("%s = %q is not a ZeroMQ endpoint, expected transport://address such as tcp://127.0.0.1:9997", name, endpoint)
	}
	known := false
	for _, t := range transports {
		known = known || t == transport
	}
	if !known {
		return fmt.Errorf("%s = %q has unknown transport %q, expected one of %s", name, endpoint, transport, strings.Join(transports, ", "))
	}
	if address == "" {
		return fmt.Errorf("%s = %q has no address after %s://", name, endpoint, transport)
	}
	if transport != "tcp" {
		return nil
	}
	i := strings.LastIndexByte(address, ':')
	if i < 0 || i == len(address)-1 || strings.HasSuffix(address, "]") {
		return fmt.Errorf("%s = %q has no port, expected tcp://host:port", name, endpoint)
	}
	if i == 0 {
		return fmt.Errorf("%s = %q has no host, expected tcp://host:port", name, endpoint)
	}
	if n, err := strconv.ParseUint(address[i+1:], 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%s = %q has port %q, expected a number from 1 to 65535", name, endpoint, address[i+1:])
	}
	return nil
}
