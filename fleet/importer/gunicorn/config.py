"""Evaluates a gunicorn configuration, which comes by standard input, and prints what
it sets, as JSON. It may not start programs, write files, or take long."""
import ast
import json
import os
import resource
import sys

for limit, value in (
    (resource.RLIMIT_NPROC, 0),
    (resource.RLIMIT_FSIZE, 1 << 20),
    (resource.RLIMIT_CPU, 5),
    (resource.RLIMIT_AS, 1 << 30),
):
    try:
        resource.setrlimit(limit, (value, value))
    except (OSError, ValueError):
        pass

answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
path = sys.argv[1]
numbers = sys.argv[2:]  # settings that None does not leave as they are


def tell(**what):
    answer.write(json.dumps(what))
    answer.flush()
    os._exit(0)


def no_fork(*args):
    raise OSError("it starts a program, which an import does not")


os.fork = os.forkpty = os.posix_spawn = os.posix_spawnp = os.system = no_fork
try:
    import _posixsubprocess

    _posixsubprocess.fork_exec = no_fork
    import subprocess

    subprocess._fork_exec = subprocess._posixsubprocess = None
    subprocess.Popen.__init__ = no_fork
except (ImportError, AttributeError):
    pass


def text(value):
    if value is None:
        return "None"
    if value is True or value is False:
        return str(value).lower()
    if callable(value):
        return "<function>"
    if isinstance(value, (str, int, float)):
        return str(value)
    return "<%s>" % type(value).__name__


def main():
    source = sys.stdin.buffer.read()
    lines = {}
    tree = ast.parse(source, path)
    for node in ast.walk(tree):
        targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Name):
                lines[target.id] = node.lineno
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines[node.name] = node.lineno
    space = {"__name__": "__config__", "__file__": path, "__doc__": None, "__package__": None}
    exec(compile(tree, path, "exec"), space)
    values = {}
    for name, value in space.items():
        if name.startswith("_") or value is None and name not in numbers or name not in lines:
            continue
        if name == "secure_scheme_headers" and isinstance(value, dict):
            value = ["%s: %s" % pair for pair in value.items()]
        items = value if isinstance(value, (list, tuple)) else [value]
        values[name] = [text(item) for item in items]
    tell(Values=values, Lines=lines)


try:
    main()
except BaseException as error:
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    where = " at line %d" % line if line else ""
    tell(Error="%s%s: %s" % (type(error).__name__, where, str(error)[:300]))
