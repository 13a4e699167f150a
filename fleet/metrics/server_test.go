package metrics

import (
	"testing"
)

func TestAddress(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:9190": "",
		":9190":          "",
		"[::1]:9190":     "",
		"9190":           `"9190" is not host:port, such as 127.0.0.1:9190`,
		"localhost":      `"localhost" is not host:port, such as 127.0.0.1:9190`,
		"localhost:http": `"localhost:http" has no port from 1 to 65535, such as 127.0.0.1:9190`,
		"localhost:0":    `"localhost:0" has no port from 1 to 65535, such as 127.0.0.1:9190`,
		"::1:70000":      `"::1:70000" is not host:port, such as 127.0.0.1:9190`,
		"h:70000":        `"h:70000" has no port from 1 to 65535, such as 127.0.0.1:9190`,
	} {
		got := ""
		if err := CheckAddress(addr); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", addr, got, want)
		}
	}
}
