package runner

import (
	"os"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
)

// Listen opens one http socket of a spec. A unix socket that nobody listens on any
// more is replaced.
func Listen(spec *appspec.Spec, s *appspec.HTTPSocket) (*os.File, error) { return listen.Open(spec, s) }

// TakenError says that somebody else listens where a spec says.
type TakenError = listen.TakenError

// RemoveSocket takes away the file of a unix socket of a spec, if nobody listens on it
// any more; other sockets have none.
func RemoveSocket(spec *appspec.Spec, s *appspec.HTTPSocket) error { return listen.Remove(spec, s) }

// TCPAddress is what package net is to be asked for, to listen where a spec says.
func TCPAddress(address string) (network, host string) { return listen.TCPAddress(address) }
