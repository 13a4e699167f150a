package master

import (
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
)

// openGates opens the folder of the gate's socket, before the master may change its root.
func (m *master) openGates() {
	fd, err := unix.Open(control.GateSockets(m.boot.StateDir), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		fd = -1 // as for wsgid, which knows of no gate
	}
	m.gates = fd
}

func (m *master) dialGate() (int, error) {
	if m.gates < 0 {
		return -1, unix.ENOENT
	}
	return gate.DialAt(m.gates, appspec.GateName)
}
