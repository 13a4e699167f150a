package runner

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// ServedFile is the file below <state>/apps/<app> with the spec by which an app of
// workers.min = 0 has served last. Such an app is not down while it has no worker,
// nor while it has no master: a spec that came meanwhile and does not work must not
// take it down. Like all of that directory it holds secrets.
const ServedFile = "served.json"

// recallServed tells the pool by which spec the app has served before this master.
func (m *master) recallServed() {
	m.pool.served = m.noteServed
	if m.spec.Workers.Min > 0 {
		return
	}
	b, err := os.ReadFile(filepath.Join(m.dir, ServedFile))
	var spec appspec.Spec
	if err != nil || json.Unmarshal(b, &spec) != nil || spec.Name != m.spec.Name {
		return // the first start, or rubbish, which is as good as nothing
	}
	switch kind := appspec.Kind(appspec.Diff(&spec, m.spec)); {
	case kind < appspec.Rolling:
		m.pool.proved = true
	case kind == appspec.Rolling:
		m.pool.before = &spec
	}
}

// noteServed writes down that the app serves by the spec.
func (m *master) noteServed(spec *appspec.Spec) {
	name := filepath.Join(m.dir, ServedFile)
	if spec.Workers.Min > 0 {
		_ = os.Remove(name) // it is out of date from here on
		return
	}
	b, err := json.Marshal(spec)
	if err == nil {
		err = renameio.WriteFile(name, b, 0o600, renameio.WithTempDir(m.dir))
	}
	if err != nil {
		m.log.error(fmt.Sprintf("cannot keep the spec that works: %v", err))
	}
}
