package runner

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
)

// pidOfRecord is the process that a record's name tells; 0: none.
func pidOfRecord(name string) int {
	digits := strings.TrimSuffix(strings.TrimPrefix(name, "master-"), ".json")
	if pid, err := strconv.Atoi(digits); err == nil && strconv.Itoa(pid) == digits {
		return pid
	}
	return 0
}

// FindMasters returns the live masters of an app, newest first, draining ones
// last. Records of dead processes are removed; a live master whose record is damaged is
// found by its process, without what the record told of it. No record is an empty list.
func FindMasters(stateDir, app string) ([]*Handle, error) {
	dir := control.AppDir(stateDir, app)
	// (filepath.Glob would take a folder that cannot be read for an empty one.)
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("cannot look for masters of %s: %w", app, err)
	}
	var found []*Handle
	for _, e := range entries {
		if ok, _ := filepath.Match("master-*.json", e.Name()); !ok {
			continue
		}
		name := filepath.Join(dir, e.Name())
		b, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot look for masters of %s: %w", app, err)
		}
		h := &Handle{dir: dir}
		read := json.Unmarshal(b, &h.Record) == nil && h.App == app && e.Name() == filepath.Base(h.File(dir))
		if !read || !h.Alive() {
			// A record may be damaged: the process has the last word.
			proved, err := proveMaster(stateDir, pidOfRecord(e.Name()))
			switch {
			case err != nil:
				return nil, fmt.Errorf("cannot look for masters of %s: %w", app, err)
			case proved != nil && proved.App == app:
				h = proved
			case read:
				h.Remove(dir)
				continue
			default:
				continue // not a record; never ours to remove
			}
		}
		found = append(found, h)
	}
	slices.SortFunc(found, func(a, b *Handle) int {
		switch {
		case a.Draining != b.Draining && b.Draining:
			return -1
		case a.Draining != b.Draining:
			return 1
		default:
			return b.Compare(&a.Record)
		}
	})
	return found, nil
}
