package source

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
)

// blobs reads files out of a repository, by one git cat-file --batch at a time.
type blobs struct {
	command *child.Command
	cmd     *exec.Cmd
	tail    *child.Tail
	in      io.WriteCloser  // until it was asked
	ctx     context.Context //nolint:containedctx // of the process
	end     context.CancelFunc
	out     *bufio.Reader
}

// ask gives git, which it starts unless that was begun, a list of what next is going to
// read.
func (b *blobs) ask(ctx context.Context, files []entry) error {
	if b.in == nil {
		if err := b.begin(ctx); err != nil {
			return err
		}
	}
	var ids strings.Builder
	for _, e := range files {
		ids.WriteString(e.id + "\n")
	}
	in := b.in
	b.in = nil
	go func() { // git answers before it has read all of them
		_, _ = io.WriteString(in, ids.String())
		_ = in.Close()
	}()
	return nil
}

// begin starts git, which waits for what it is asked.
func (b *blobs) begin(ctx context.Context) error {
	b.close()
	b.ctx, b.end = context.WithCancel(ctx)
	var err error
	if b.cmd, b.tail, err = b.command.Prepare(b.ctx); err != nil {
		return err
	}
	b.cmd.Stdout = nil
	pipe, err := b.cmd.StdoutPipe()
	if err == nil {
		b.in, err = b.cmd.StdinPipe()
	}
	if err != nil {
		b.cmd = nil
		return err
	}
	if err := child.Start(b.ctx, b.cmd); err != nil {
		b.cmd, b.in = nil, nil
		return b.command.Failure(ctx, err, b.tail)
	}
	b.out = bufio.NewReaderSize(pipe, 256<<10)
	return nil
}

// next hands over the bytes of one file. What is left of them is passed over.
func (b *blobs) next(e entry, take func(io.Reader) error) error {
	head, err := b.out.ReadString('\n')
	if err != nil {
		return b.broken(e, err)
	}
	f := strings.Fields(head)
	if len(f) != 3 || f[0] != e.id || f[1] != "blob" || f[2] != strconv.FormatInt(e.size, 10) {
		return fmt.Errorf("git has for %s: %s", quoted(e.path), child.Printable(strings.TrimSpace(head)))
	}
	body := &counted{r: b.out, left: e.size}
	if err := take(body); err != nil {
		if body.err != nil {
			return b.broken(e, body.err)
		}
		return err
	}
	if _, err := b.out.Discard(int(body.left) + 1); err != nil {
		return b.broken(e, err)
	}
	return nil
}

// broken is the error of a git that ended too early.
func (b *blobs) broken(e entry, err error) error {
	ended := b.cmd.Wait() // by then it has said why
	b.cmd = nil
	if errors.Is(err, io.EOF) && ended != nil {
		err = ended
	}
	return fmt.Errorf("cannot read %s: %w", quoted(e.path), b.command.Failure(b.ctx, err, b.tail))
}

func (b *blobs) close() {
	if b.end != nil {
		b.end()
	}
	if b.cmd != nil {
		_ = b.cmd.Wait()
		b.cmd, b.in = nil, nil
	}
}

// counted reads so many bytes, and none less.
type counted struct {
	r    io.Reader
	left int64
	err  error
}

func (c *counted) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if errors.Is(err, io.EOF) && c.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		c.err = err
	}
	return n, err
}
