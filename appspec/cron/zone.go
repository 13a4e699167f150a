package cron

import (
	"errors"
	"time"
)

// Zone is the time zone of a name of the time zone database; without a name the
// machine's.
func Zone(name string) (*time.Location, error) {
	switch name {
	case "":
		return time.Local, nil
	case "Local":
		return nil, errors.New("it has no such name") // Go's own word for the machine's
	}
	return time.LoadLocation(name)
}
