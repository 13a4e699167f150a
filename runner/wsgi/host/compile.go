package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// compileScript writes the bytecode of the files that it is given. They never
// change under their name, so that nobody need look whether they have (an unchecked
// hash, PEP 552). Module py_compile, which does the same, would take a third of the
// time for its own imports.
const compileScript = `
import os, marshal, sys
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
os.umask(0o022)
for name in sys.argv[1:]:
    with open(name, "rb") as f:
        source = f.read()
    code = compile(source, name, "exec", dont_inherit=True)
    to = cache_from_source(name)
    new = "%s.%d" % (to, os.getpid())
    with open(new, "wb") as f:
        f.write(MAGIC_NUMBER + b"\1\0\0\0" + source_hash(source) + marshal.dumps(code))
    os.rename(new, to)
`

// compileTimeout is how long an interpreter may take.
const compileTimeout = 20 * time.Second

var compiling sync.Mutex

// Compile has an interpreter write the bytecode of the files that Extract laid out
// in dir, once as long as the interpreter does not change. The interpreter runs as
// the caller and what it writes runs in every app: it must be the caller's own.
func Compile(ctx context.Context, dir, python string) error {
	st, err := os.Stat(python)
	if err != nil {
		return fmt.Errorf("cannot compile the Python host: %w", err)
	}
	key := fmt.Sprintf("%s %d %d", python, st.Size(), st.ModTime().UnixNano())
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		key += fmt.Sprintf(" %d %d", sys.Dev, sys.Ino)
	}
	sum := sha256.Sum256([]byte(key))
	done := filepath.Join(dir, ".compiled-"+hex.EncodeToString(sum[:8]))
	compiling.Lock()
	defer compiling.Unlock()
	if _, err := os.Lstat(done); err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, compileTimeout)
	defer cancel()
	args := []string{"-I", "-S", "-c", compileScript}
	for _, f := range files() {
		args = append(args, filepath.Join(dir, f.path))
	}
	cmd := exec.CommandContext(ctx, python, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C"}
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot compile the Python host with %s: %w: %s", python, err, strings.TrimSpace(string(out)))
	}
	return os.WriteFile(done, nil, 0o644)
}
