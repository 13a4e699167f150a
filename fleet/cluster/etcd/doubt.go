package etcd

import "time"

// doubtRest is how long an etcd that was doubted is not doubted again: a member that lags
// behind the others says something older, too, and each doubt is a list of everything.
const doubtRest = 5 * time.Second

// seen is the newest revision that this host knows of.
func (m *Member) seen() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.view == nil {
		return 0
	}
	return m.view.Revision
}

// tells takes in which revision etcd has told of by the way, and which this host knew of when
// it asked. An older one is that of an etcd that was restored or recreated, where the watch of
// a later revision is deaf: all is listed now, and not at the next minute.
func (m *Member) tells(revision, before int64) {
	if revision == 0 || revision >= before {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := time.Now(); now.After(m.doubted.Add(doubtRest)) {
		m.doubted, m.doubts = now, true
		poke(m.wake)
	}
}

// takeDoubt tells whether etcd is in doubt, once.
func (m *Member) takeDoubt() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	doubts := m.doubts
	m.doubts = false
	return doubts
}
