package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/pebbe/zmq4"
)

// mongrel2 starts a server with one handler on the two addresses.
func (b *bench) mongrel2(recv, send string) (addr string, c *child, err error) {
	addr, err = freePort()
	if err != nil {
		return "", nil, err
	}
	dir, err := b.temp("m")
	if err != nil {
		return "", nil, err
	}
	for _, name := range []string{"run", "logs", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			return "", nil, err
		}
	}
	if err := b.give(dir); err != nil {
		return "", nil, err
	}
	_, port, _ := strings.Cut(addr, ":")
	if _, err := b.fill("mongrel2.conf", dir, "RECV", recv, "SEND", send, "PORT", port); err != nil {
		return "", nil, err
	}
	// m2sh ends with 0 even where the file has an error. The server is not root:
	// it would change its root directory.
	script := "m2sh load -db config.sqlite -config mongrel2.conf && exec mongrel2 config.sqlite bench"
	program, args := "/bin/sh", []string{"-c", script}
	if os.Geteuid() == 0 {
		program, args = "setpriv", append([]string{
			"--reuid", fmt.Sprint(b.uid), "--regid", fmt.Sprint(b.gid), "--clear-groups", "--pdeathsig", "KILL", "/bin/sh",
		}, args...)
	}
	c, err = b.children.start("mongrel2", dir, []string{"LOGNAME=bench"}, syscall.SIGKILL, program, args...)
	return addr, c, err
}

// behindMongrel2 starts mongrel2 and then the handler that it asks for.
func (b *bench) behindMongrel2(ctx context.Context, handler func(recv, send string) (*server, error)) (*server, error) {
	recv, err := freePort()
	if err != nil {
		return nil, err
	}
	send, err := freePort()
	if err != nil {
		return nil, err
	}
	var addr string
	var m2 *child
	var h *server
	if err := b.onCores(front, func() error {
		addr, m2, err = b.mongrel2(recv, send)
		return err
	}); err != nil {
		return nil, err
	}
	if err := b.onCores(back, func() error {
		h, err = handler("tcp://"+recv, "tcp://"+send)
		return err
	}); err != nil {
		return nil, err
	}
	stop := h.stop
	h.url = "http://" + addr
	h.stop = func() { stop(); m2.stop(syscall.SIGTERM) }
	return h, up(ctx, h.url, m2.log)
}

func startOursMongrel2(ctx context.Context, b *bench, s site) (*server, error) {
	return b.behindMongrel2(ctx, func(recv, send string) (*server, error) {
		v, _, err := b.fleetOf(ctx, s, fmt.Sprintf("    mongrel2 {\n      recv = %q\n      send = %q\n    }", recv, send))
		return v, err
	})
}

func startNoopMongrel2(ctx context.Context, b *bench, _ site) (*server, error) {
	return b.behindMongrel2(ctx, func(recv, send string) (*server, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		c, err := b.children.start("noop", b.dir, nil, syscall.SIGKILL, self, "-noop", recv+","+send)
		if err != nil {
			return nil, err
		}
		return &server{
			pids: func() []int { return tree(c.Process.Pid) },
			stop: func() { c.stop(syscall.SIGTERM) },
		}, nil
	})
}

// noop is the least that a mongrel2 handler can do: it answers every request
// with the same bytes, unparsed beyond its address. That is mongrel2's ceiling.
func noop(endpoints string) error {
	recv, send, _ := strings.Cut(endpoints, ",")
	pull, err := zmq4.NewSocket(zmq4.PULL)
	if err != nil {
		return err
	}
	pub, err := zmq4.NewSocket(zmq4.PUB)
	if err != nil {
		return err
	}
	if err := pub.SetSndhwm(0); err != nil {
		return err
	}
	if err := pub.Connect(send); err != nil {
		return err
	}
	if err := pull.Connect(recv); err != nil {
		return err
	}
	const hello = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nHello, world!\n"
	var answer []byte
	for {
		message, err := pull.RecvBytes(0)
		if err != nil {
			return err
		}
		sender, rest, _ := bytes.Cut(message, []byte{' '})
		id, rest, ok := bytes.Cut(rest, []byte{' '})
		if !ok || bytes.HasPrefix(rest, []byte("@*")) {
			continue
		}
		answer = fmt.Appendf(answer[:0], "%s %d:%s, %s", sender, len(id), id, hello)
		if _, err := pub.SendBytes(answer, 0); err != nil {
			return err
		}
	}
}
