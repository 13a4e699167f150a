package deploy

import (
	"testing"
	"time"
	"unsafe"
)

// The logbook tells how long a stage took, whatever the clock is set to meanwhile.
func TestHowLongItTookWhenTheClockIsSet(t *testing.T) {
	t.Parallel()
	began := time.Now()
	for _, set := range []time.Duration{time.Hour, -time.Hour} {
		now := began.Add(90 * time.Second)
		// Of a reading only the wall is off, its first word; what goes on by itself is not.
		*(*uint64)(unsafe.Pointer(&now)) += uint64(set/time.Second) << 30
		d := &Deployer{Now: func() time.Time { return now }}
		e := Entry{Began: began, Ended: d.since(began)}
		s := StageRecord{Began: began.Round(0), Ended: d.since(began).Round(0)} // as they are read from the disk
		if e.Took() != 90*time.Second || s.Took() != 90*time.Second {
			t.Errorf("set by %v: %v and %v, want 1m30s", set, e.Took(), s.Took())
		}
		if s.Ended = now.Round(0); s.Took() < 0 { // written down by a daemon that came later
			t.Errorf("set by %v: %v", set, s.Took())
		}
	}
}
