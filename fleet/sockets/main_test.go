package sockets

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	Main() // holders are executed from the test binary
	os.Exit(m.Run())
}
