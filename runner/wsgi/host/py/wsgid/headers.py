"""Checks of what an application gives to start_response (PEP 3333, "The
start_response() Callable"), with a message for each mistake. The fast path in
response.py only takes what has passed here once."""

# RFC 9110, section 5.6.2.
_TOKEN = frozenset(
    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

# RFC 9110, section 7.6.1, and PEP 3333, "Other HTTP Features".
HOP_BY_HOP = frozenset(
    "connection keep-alive proxy-authenticate proxy-authorization proxy-connection "
    "te trailer trailers transfer-encoding upgrade".split()
)

_CONTROLS = frozenset(map(chr, range(32))) - {"\t"} | {"\x7f"}


def check_status(status):
    """Returns the status code. A reason is not required, as a client may ignore
    it (RFC 9112, section 4)."""
    if not isinstance(status, str):
        raise TypeError(
            "status must be a str such as '200 OK', not %s %r" % (type(status).__name__, status)
        )
    code = status[:3]
    if len(code) != 3 or not code.isdigit() or not code.isascii() or status[3:4] not in ("", " "):
        raise ValueError("status must be such as '200 OK', not %r" % status)
    if not 200 <= int(code) <= 599:
        raise ValueError("status %r is not a final one: it must be from 200 to 599" % status)
    _check_text("status", status)
    return int(code)


def check_headers(headers):
    """Returns (the header lines, the Content-Length or -1, the names of those
    that were left out because they are the server's: an application cannot know
    how its response is sent, so that they can be nothing but wrong)."""
    if not isinstance(headers, list):
        raise TypeError(
            "response headers must be a list of (name, value) tuples, not %s"
            % type(headers).__name__
        )
    lines = []
    length = -1
    dropped = []
    for item in headers:
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise TypeError("a response header must be a (name, value) tuple, not %r" % (item,))
        name, value = item
        check_name(name)
        _check_text("header " + name, value)
        if name.lower() in HOP_BY_HOP:
            dropped.append(name)
            continue
        if name.lower() == "content-length":
            value = value.strip(" \t")
            if not value.isdigit() or not value.isascii():
                raise ValueError("header Content-Length must be a number, not %r" % value)
            if length not in (-1, int(value)):
                raise ValueError("header Content-Length is given twice: %d and %s" % (length, value))
            if length >= 0:
                continue
            length = int(value)
        lines.append("%s: %s\r\n" % (name, value))
    return "".join(lines), length, dropped


def check_name(name):
    if not isinstance(name, str):
        raise TypeError("a header name must be a str, not %s %r" % (type(name).__name__, name))
    if not name or not _TOKEN.issuperset(name):
        raise ValueError("%r is not a header name" % name)


def _check_text(what, value):
    if not isinstance(value, str):
        raise TypeError("%s must be a str, not %s %r" % (what, type(value).__name__, value))
    if not _CONTROLS.isdisjoint(value):
        raise ValueError("%s holds a control character: %r" % (what, value))
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError("%s must hold latin-1 characters only: %r" % (what, value)) from None
