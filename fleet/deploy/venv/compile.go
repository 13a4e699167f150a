package venv

import (
	"context"
	"errors"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
)

// compileScript writes the bytecode of all files in a folder, checked by a hash of
// the source when it is read (PEP 552), as module compileall does: that takes four
// times as long for its own imports as for a small app, in every deploy, beside what
// serves. It is told the folder by its standard input, so that it can start before that
// is there.
const compileScript = `
import marshal, os, sys
try:
    from _frozen_importlib_external import MAGIC_NUMBER, cache_from_source
    from _imp import source_hash
except ImportError:
    from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash as hash_of
else:
    def hash_of(source):
        return source_hash(int.from_bytes(MAGIC_NUMBER, "little"), source)
failed = False
def complain(what, error):
    global failed
    failed = True
    import traceback
    text = "".join(traceback.format_exception_only(type(error), error))
    print("cannot compile %r:\n%s" % (what, text.rstrip()), file=sys.stderr)
def write(name):
    with open(name, "rb") as f:
        source = f.read()
        mode = os.fstat(f.fileno()).st_mode
    code = compile(source, name, "exec", dont_inherit=True)
    to = cache_from_source(name)
    if os.path.lexists(to) and (os.path.islink(to) or not os.path.isfile(to)):
        raise FileExistsError("%r is in the way: it is not a regular file" % to)
    os.makedirs(os.path.dirname(to), exist_ok=True)
    new = "%s.%d" % (to, os.getpid())
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode & 0o666 | 0o200)
    try:
        with open(fd, "wb") as f:
            f.write(MAGIC_NUMBER + b"\3\0\0\0" + hash_of(source) + marshal.dumps(code))
        os.replace(new, to)
    except BaseException:
        os.unlink(new)
        raise
top = os.fsdecode(sys.stdin.buffer.read())
for dir, dirs, names in os.walk(top, onerror=lambda e: complain(e.filename, e)):
    if "__pycache__" in dirs:
        dirs.remove("__pycache__")
    dirs.sort()
    for name in sorted(names):
        path = os.path.join(dir, name)
        if name.endswith(".py") and os.path.isfile(path):
            try:
                write(path)
            except Exception as e:
                complain(path, e)
sys.exit(failed)
`

// Compiler is what compiles a folder, whose name is its standard input.
func Compiler(a *child.Account, python string) *child.Command {
	return &child.Command{Account: a, Args: []string{python, "-I", "-S", "-c", compileScript}, Single: true}
}

// Compile writes the bytecode of all that is in a folder. Files that do not
// compile are no error, for a package may hold some that nobody imports: what
// Python says of them is returned.
// begun is what waits for its input already, if it is of the same interpreter.
func (s *Store) Compile(ctx context.Context, begun *child.Waiting, python, dir string) (note string, err error) {
	if begun.Is(python) {
		err = begun.Give(dir)
	} else {
		c := Compiler(s.Account, python)
		c.Stdin = strings.NewReader(dir)
		err = c.Run(ctx)
	}
	var failed *child.Error
	if errors.As(err, &failed) && ctx.Err() == nil {
		return failed.Output, nil
	}
	return "", err
}
