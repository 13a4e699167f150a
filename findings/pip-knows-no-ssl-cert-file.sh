#!/usr/bin/env bash
# pip 23.0.1 (Debian 12: python3-pip 23.0.1+dfsg-1) in Python 3.11, openssl 3.0
#
# Guess: SSL_CERT_FILE names authorities for all that is made on OpenSSL, so for Python and for
# pip, which is a program of Python's.
# What happens: Python's own urllib trusts the authority in the file. pip, in the same interpreter,
# does not look at the variable: it brings certificates of its own, or, as Debian has it,
# takes those of the machine. What it looks at is PIP_CERT, or REQUESTS_CA_BUNDLE.
# Who is hurt: who has packages on a server with certificates of the house: all that a deploy
# reaches is trusted by the one variable, and its virtualenv alone ends with "No matching
# distribution found".
. "$(dirname "$(readlink -f "$0")")/lib"
debian python3-pip=23.0.1+dfsg-1
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out house.pem -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>openssl.log
cat >server.py <<'PY'
"""An index with the package near 1.0, by HTTPS."""
import http.server
import io
import ssl
import sys
import zipfile

wheel = io.BytesIO()
with zipfile.ZipFile(wheel, 'w') as z:
    z.writestr('near.py', '')
    z.writestr('near-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\nName: near\nVersion: 1.0\n')
    z.writestr('near-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\nGenerator: probe\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
    z.writestr('near-1.0.dist-info/RECORD', '')


class Index(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        is_wheel = self.path.endswith('.whl')
        body = wheel.getvalue() if is_wheel else b'<a href="/near-1.0-py3-none-any.whl">near-1.0-py3-none-any.whl</a>'
        self.send_response(200)
        self.send_header('Content-Type', 'application/zip' if is_wheel else 'text/html')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *what):
        pass


server = http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Index)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('house.pem', 'key.pem')
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
PY
port=$(free_port)
/usr/bin/python3 server.py "$port" 2>server.log &
trap 'kill %1; wait; rm -rf "$WORK"' EXIT
for _ in $(seq 100); do curl -sk --noproxy '*' "https://localhost:$port/" >/dev/null && break; sleep 0.1; done
export no_proxy=localhost
# with VARIABLE COMMAND…: what a command says at its end where nothing else names an authority.
with() { env -u PIP_CERT -u REQUESTS_CA_BUNDLE -u CURL_CA_BUNDLE -u SSL_CERT_FILE PIP_CONFIG_FILE=/dev/null "$@" 2>&1 | tail -1; }
urllib=(/usr/bin/python3 -c "import urllib.request; print(urllib.request.urlopen('https://localhost:$port/').status)")
pip=(/usr/bin/python3 -m pip --disable-pip-version-check --retries 0 download --no-deps --progress-bar off -d . --index-url "https://localhost:$port/simple" near)
expect 'pip' '23.0.1' "$(/usr/bin/python3 -c 'import pip; print(pip.__version__)')"
expect 'urllib' '200' "$(with SSL_CERT_FILE=house.pem "${urllib[@]}")"
expect 'pip, SSL_CERT_FILE' 'ERROR: No matching distribution found for near' "$(with SSL_CERT_FILE=house.pem "${pip[@]}")"
expect 'pip, PIP_CERT' 'Successfully downloaded near' "$(with PIP_CERT=house.pem "${pip[@]}")"
