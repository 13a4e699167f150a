#!/usr/bin/env python3
"""Three hosts of one fleet on this machine, and a page to kill them on.

    run.py [--listen 127.0.0.1:8090]

Each host is a namespace of its own for network, processes and mounts, with a member of
etcd and a daemon; haproxy before them follows the fleet. All of it is in namespaces
below one process, so that nothing is left when that ends: Ctrl-C. It needs root.

WSGID_FLEET names the program, default bin/wsgid-fleet of the checkout.
"""
import argparse
import collections
import http.client
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
HOSTS = ["h1", "h2", "h3"]
BALANCER = ("10.77.0.254", 80)
SOURCE = "etcd://" + ",".join("10.77.0.%s:2379" % h[1:] for h in HOSTS) + "/wsgid/example"
KEPT = 60  # answers of an app that the page shows


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--listen", default="127.0.0.1:8090", metavar="ADDRESS", help="where the page is; default: %(default)s")
    p.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.inside:
        return inside(int(args.inside[0]), args.inside[1])
    fleet = os.environ.get("WSGID_FLEET") or os.path.join(HERE, "../../bin/wsgid-fleet")
    if not os.access(fleet, os.X_OK):
        sys.exit("cluster: cannot run %s: it is not built; run make build" % fleet)
    if os.geteuid() != 0:
        sys.exit("cluster: needs root: it makes networks and runs apps as www-data; run it by sudo")
    missing = [p for p in ("etcd", "haproxy", "ip", "unshare") if not shutil.which(p, path=path())]
    if missing:
        sys.exit("cluster: cannot find %s; install etcd-server, haproxy, iproute2 and util-linux" % ", ".join(missing))
    host, _, port = args.listen.rpartition(":")
    page = socket.create_server((host, int(port)))
    work = tempfile.mkdtemp(prefix="wsgid-cluster.")
    for sig in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, lambda *_: sys.exit(0))
    whole = None
    try:
        # The page's socket belongs to this network, whoever listens to it.
        whole = subprocess.Popen(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, os.path.abspath(__file__), "--inside", str(page.fileno()), work],
            pass_fds=[page.fileno()], start_new_session=True, stdin=subprocess.DEVNULL,
            env=dict(os.environ, WSGID_FLEET=os.path.abspath(fleet), PATH=path(), WSGID_SOURCE=SOURCE))
        print("Open http://%s:%d/ and kill a host. Logs are in %s; Ctrl-C here ends all of it." % (page.getsockname()[0], page.getsockname()[1], work), flush=True)
        page.close()
        return whole.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        if whole:
            whole.kill()
            whole.wait()
        # What was inside dies a moment later than the one who is waited for, and may write meanwhile.
        deadline = time.monotonic() + 10
        while os.path.exists(work) and time.monotonic() < deadline:
            shutil.rmtree(work, ignore_errors=True)
            time.sleep(0.05)


def path():
    return os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"


def ip(*args, check=True):
    subprocess.run(["ip"] + list(args), check=check, stderr=None if check else subprocess.DEVNULL)


class Host:
    """One machine: there, dead, or there and cut off."""

    def __init__(self, name, work):
        self.name, self.n, self.work = name, name[1:], work
        self.state, self.process, self.lock = "dead", None, threading.Lock()
        os.makedirs(os.path.join(work, name))

    def start(self):
        with self.lock:
            if self.state != "dead":
                return
            ip("link", "delete", "wfb" + self.n, check=False)
            self.process = subprocess.Popen(
                ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", os.path.join(HERE, "host"), self.work, self.n],
                stdin=subprocess.DEVNULL)
            ours = os.readlink("/proc/self/ns/net")
            while os.readlink("/proc/%d/ns/net" % self.process.pid) == ours:
                time.sleep(0.01)
            ip("link", "add", "wfb" + self.n, "type", "veth", "peer", "name", "wfc" + self.n)
            ip("link", "set", "wfb" + self.n, "master", "fleet", "up")
            ip("link", "set", "wfc" + self.n, "netns", str(self.process.pid))
            self.state = "there"

    def kill(self):
        with self.lock:
            if self.state == "dead":
                return
            self.process.kill()
            self.process.wait()
            self.state = "dead"

    def cut(self):
        self.link("there", "down", "cut off")

    def mend(self):
        self.link("cut off", "up", "there")

    def link(self, was, to, becomes):
        with self.lock:
            if self.state == was:
                ip("link", "set", "wfb" + self.n, to)
                self.state = becomes


class Fleet:
    """What the page shows: what etcd says, and what clients of the balancer get."""

    def __init__(self, work):
        self.work, self.hosts = work, {h: Host(h, work) for h in HOSTS}
        self.lock = threading.Lock()
        self.status, self.trouble = {"apps": [], "hosts": []}, "it has just begun"
        self.apps = sorted(f[:-4] for f in os.listdir(os.path.join(HERE, "wsgid.d")))
        self.answers = {a: collections.deque(maxlen=KEPT) for a in self.apps}
        self.lost = dict.fromkeys(self.apps, 0)

    def command(self, *args):
        done = subprocess.run([os.environ["WSGID_FLEET"]] + list(args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
        return done.stdout, done.stderr.strip()

    def look(self):
        while True:
            out, err = self.command("status", "--fleet", "-o", "json")
            with self.lock:
                try:
                    self.status, self.trouble = json.loads(out), ""
                except ValueError:
                    self.trouble = err
            time.sleep(0.5)

    def ask(self, app):
        """A client that asks all the time, through the balancer."""
        while True:
            try:
                c = http.client.HTTPConnection(*BALANCER, timeout=5)
                c.request("GET", "/%s/" % app)
                r = c.getresponse()
                who = r.read().decode()
                answer = who if r.status == 200 else ""
                c.close()
            except (OSError, http.client.HTTPException):
                answer = ""
            with self.lock:
                # Before the first answer nothing can be lost.
                if answer or self.answers[app]:
                    self.answers[app].append(answer)
                    self.lost[app] += not answer
            time.sleep(0.2)

    def told(self):
        with self.lock:
            return {"trouble": self.trouble, "machines": {h.name: h.state for h in self.hosts.values()}, "fleet": self.status,
                    "answers": {a: list(n) for a, n in self.answers.items()}, "lost": self.lost}

    def begin(self):
        os.chmod(self.work, 0o755)
        for h in self.hosts.values():
            for a in self.apps:  # as a deploy would bring it to each machine
                shutil.copytree(os.path.join(HERE, "app"), os.path.join(self.work, h.name, "apps", a, "app"))
            h.start()
        while True:
            out, self.trouble = self.command("push", os.path.join(HERE, "wsgid.d"))
            if "generation" in out:
                break
            time.sleep(0.5)
        for what in [self.look] + [lambda a=a: self.ask(a) for a in self.apps]:
            threading.Thread(target=what, daemon=True).start()
        subprocess.Popen([os.environ["WSGID_FLEET"], "endpoints", "-o", "haproxy", "--follow", os.path.join(self.work, "backends.cfg"),
                          "--then", os.path.join(HERE, "balance")],
                         env=dict(os.environ, WORK=self.work, LISTEN="%s:%d" % BALANCER),
                         stderr=open(os.path.join(self.work, "endpoints.log"), "w"), stdout=subprocess.DEVNULL)


def inside(fd, work):
    """The network between the hosts, the balancer, and the page."""
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)  # nothing of this machine's systemd
    ip("link", "set", "lo", "up")
    ip("link", "add", "fleet", "type", "bridge")
    ip("address", "add", "%s/24" % BALANCER[0], "dev", "fleet")
    ip("link", "set", "fleet", "up")
    fleet = Fleet(work)
    threading.Thread(target=fleet.begin, daemon=True).start()

    class Page(http.server.BaseHTTPRequestHandler):
        def answer(self, status, kind="text/plain", body=b""):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            if self.path == "/":
                with open(os.path.join(HERE, "page.html"), "rb") as f:
                    return self.answer(200, "text/html; charset=utf-8", f.read())
            if self.path == "/state":
                return self.answer(200, "application/json", json.dumps(fleet.told()).encode())
            self.answer(404)

        def do_POST(self):
            what, _, name = self.path[1:].partition("/")
            # No other page that a browser shows may send this header here.
            if self.headers.get("X-Cluster") != "1" or what not in ("start", "kill", "cut", "mend") or name not in fleet.hosts:
                return self.answer(403)
            getattr(fleet.hosts[name], what)()
            self.answer(204)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("", 0), Page, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=fd)
    server.socket.listen(16)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
