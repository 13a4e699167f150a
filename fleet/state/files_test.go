package state

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// A command and a daemon that begins write down at once which directory they have read: neither
// has the other's file half written, nor fails for it.
func TestAFileThatTwoWriteAtOnce(t *testing.T) {
	s := testStore(t)
	path := filepath.Join(s.Data, "directory.json")
	other := *s
	var writers sync.WaitGroup
	for i, store := range []*Store{s, &other} {
		writers.Go(func() {
			for n := 0; n < 100; {
				text, _ := json.Marshal(map[string]int{"writer": i, "n": n})
				done, err := store.ReplaceAlone(path, text)
				if err != nil {
					t.Error(err)
					return
				}
				if !done {
					continue
				}
				n++
				var got map[string]int
				if b, err := os.ReadFile(path); err != nil || json.Unmarshal(b, &got) != nil {
					t.Errorf("it is %q, %v", b, err)
					return
				}
			}
		})
	}
	writers.Wait()
}
