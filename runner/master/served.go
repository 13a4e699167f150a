package master

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/boot"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
)

// openData opens the data directory, before the master may change its root: what
// lies in it may be swept away and made anew. nil: it cannot be opened.
func openData(msg boot.Message) *os.Root {
	for _, dir := range []string{cmp.Or(msg.DataDir, msg.StateDir), msg.StateDir} {
		err := os.MkdirAll(filepath.Join(dir, "apps"), 0o700)
		if data, _ := os.OpenRoot(dir); data != nil && err == nil {
			return data
		}
	}
	return nil
}

func (m *master) servedName() string { return filepath.Join("apps", m.spec.Name, control.ServedFile) }

// recallServed tells the pool by which spec the app has served before this master.
func (m *master) recallServed() {
	m.pool.Served = m.noteServed
	if m.spec.Workers.Min > 0 || m.data == nil {
		return
	}
	b, err := m.data.ReadFile(m.servedName())
	var spec appspec.Spec
	if err != nil || json.Unmarshal(b, &spec) != nil || spec.Name != m.spec.Name {
		return // the first start, or rubbish, which is as good as nothing
	}
	switch kind := appspec.Kind(appspec.Diff(&spec, m.spec)); {
	case kind < appspec.Rolling:
		m.pool.HasServed(nil)
	case kind == appspec.Rolling:
		m.pool.HasServed(&spec)
	}
}

// noteServed writes down that the app serves by the spec.
func (m *master) noteServed(spec *appspec.Spec) {
	err := errors.New("the data directory cannot be opened")
	if m.data != nil {
		if spec.Workers.Min > 0 {
			_ = m.data.Remove(m.servedName()) // it is out of date from here on
			return
		}
		var b []byte
		if b, err = json.Marshal(spec); err == nil {
			err = m.writeServed(b)
		}
	}
	if err != nil && spec.Workers.Min == 0 {
		m.log.Error(fmt.Sprintf("cannot save the working spec: %v", err))
	}
}

func (m *master) writeServed(b []byte) error { return writeData(m.data, m.servedName(), b) }

// writeData writes a file of the data directory, whole or not at all. The directory is known
// by its descriptor, as the master may have another root since: renameio, by which other files
// are written, needs a path.
func writeData(data *os.Root, name string, b []byte) error {
	if err := data.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	tmp := fmt.Sprintf("%s.%d.tmp", name, os.Getpid())
	f, err := data.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = data.Rename(tmp, name)
	}
	if err != nil {
		_ = data.Remove(tmp)
	}
	return err
}
