package master

import (
	"encoding/json"
	"fmt"
	"net"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// adopt is the successor's side.
func (s *controlServer) adopt(c *net.UnixConn, line []byte, fds []int) {
	var req control.AdoptRequest
	var ans control.Answer
	if err := json.Unmarshal(line, &req); err != nil {
		ans.Error = "cannot read request: " + appspec.JSONReason(err).Error()
	} else if len(req.Conns) != len(fds) {
		ans.Error = fmt.Sprintf("cannot adopt: received %d descriptors for %d connections", len(fds), len(req.Conns))
	}
	if ans.Error != "" {
		evloop.CloseAll(fds)
	} else {
		s.loop.Call(func() {
			for i, h := range req.Conns {
				s.of.adoptHanded(fds[i], &h)
			}
		})
	}
	b, _ := json.Marshal(&ans)
	_ = c.SetWriteDeadline(time.Now().Add(control.Timeout))
	_, _ = c.Write(append(b, '\n'))
}

// handOver drains with a successor, if one is named.
func (m *master) handOver(successor string) {
	if successor == "" && m.draining {
		m.stopSchedules() // the app is stopped while we stay for a run
	}
	why := "asked to"
	if successor != "" && !m.draining {
		m.http.HandOver(successor)
		if m.processes != nil {
			m.processes.Stop() // the successor waits for that to start its own
		}
		why = "a new master takes over"
	}
	m.drain(why)
}
