package wsgi

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"os/exec"
	"testing"
	"time"
)

// python runs a script on a list of byte strings, as "items", and decodes what
// it prints as JSON.
func python(t *testing.T, script string, items [][]byte, result any) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts Python")
	}
	var in bytes.Buffer
	for _, e := range items {
		_ = binary.Write(&in, binary.LittleEndian, uint32(len(e)))
		in.Write(e)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "python3", "-W", "error", "-c", `
import sys, json, marshal, struct
def read():
    while True:
        size = sys.stdin.buffer.read(4)
        if not size:
            return
        yield sys.stdin.buffer.read(struct.unpack("<I", size)[0])
items = list(read())
`+script)
	cmd.Stdin = &in
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python3: %v\n%s", err, stderr.Bytes())
	}
	if err := json.Unmarshal(out, result); err != nil {
		t.Fatalf("python3 printed %.200q: %v", out, err)
	}
}

const loadEnvirons = `
import io
from wsgiref.validate import check_environ, InputWrapper, ErrorWrapper
out = []
for e in items:
    env = marshal.loads(e)
    assert type(env) is dict, env
    full = dict(env)
    assert env.pop("wsgi.multiprocess") is False
    full.update({"wsgi.version": (1, 0), "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False, "wsgi.run_once": False})
    # The check knows the methods of its day only.
    if full["REQUEST_METHOD"] not in ("GET", "HEAD", "POST", "OPTIONS", "PATCH", "PUT", "DELETE", "TRACE"):
        full["REQUEST_METHOD"] = "GET"
    check_environ(full)
    for key, value in env.items():
        if "." not in key:
            assert type(value) is str, (key, value)
            value.encode("latin-1")
    out.append(env)
print(json.dumps(out))
`
