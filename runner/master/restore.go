package master

import (
	"fmt"
	"os"

	"github.com/wsgid-fleet/wsgid-fleet/runner/boot"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
)

// restore makes what is gone of the state directory anew: the Python host, from which
// the next worker is started, the record and the control socket. What of it waits for
// a disk or for the spawner is off the loop.
func (m *master) restore() {
	if m.ended || m.restoring {
		return
	}
	m.restoring = true
	go func() {
		data, err := m.remake()
		m.loop.Post(func() {
			m.restoring = false
			if data != nil {
				m.data, data = data, m.data
			}
			if data != nil {
				_ = data.Close()
			}
			if err != nil {
				m.log.Error(fmt.Sprintf("cannot recreate %s: %v; until it exists, no worker can be replaced: wsgid-fleet restart %s starts another master", m.boot.StateDir, err, m.spec.Name))
			}
			m.noteAnew()
		})
	}()
}

// remake makes the folders of the state directory anew, and opens the data directory
// again, which may have been swept away, too.
func (m *master) remake() (data *os.Root, err error) {
	folders := func() {
		if err = remakeFolders(m.boot, m.dir); err == nil {
			data = openData(m.boot)
		}
	}
	if m.chroot == nil {
		folders()
		return data, err
	}
	m.chroot.OnHost(folders)
	if err == nil {
		err = m.chroot.Remount(m.dir, m.boot.HostDir, m.spawner.There)
	}
	return data, err
}

func remakeFolders(msg boot.Message, dir string) error {
	if err := os.MkdirAll(msg.StateDir, 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	_, err := sandbox.LayOutHost(msg.StateDir, msg.User)
	return err
}

// noteAnew makes the record and the control socket anew, where they are missing or
// damaged. It runs on the loop.
func (m *master) noteAnew() {
	if m.ended {
		return
	}
	if control.SocketGone(m.dir, os.Getpid()) {
		if err := m.control.rebind(); err != nil {
			m.log.Error(err.Error())
			return
		}
		m.log.Warn("the control socket was missing and was recreated")
	}
	if !m.record.Intact(m.dir) {
		m.saveRecord()
	}
}
