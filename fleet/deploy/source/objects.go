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

// objects reads what a repository holds, by one git cat-file at a time. From git 2.36 on
// that takes commands, and one is enough for all of a release: the commit, the trees,
// the sizes and the files. An older one is started for each list of files.
type objects struct {
	command  *child.Command
	commands bool // it takes them

	cmd  *exec.Cmd // nil: none runs
	tail *child.Tail
	in   io.WriteCloser  // nil: git was told all that it is going to be
	ctx  context.Context //nolint:containedctx // of who asks now
	end  context.CancelFunc
	out  *bufio.Reader
}

// What objects are asked for.
const (
	contents = "contents"
	sizes    = "info" // only by commands
)

// objects are those of a repository; by commands or not.
func (s *Store) objects(r Repository, dir string, commands bool) *objects {
	how := "--batch"
	if commands {
		how = "--batch-command"
	}
	return &objects{command: s.git(r, dir, "cat-file", how, "--buffer"), commands: commands}
}

// begin starts git, which waits for what it is asked. It ends with ctx.
func (o *objects) begin(ctx context.Context) error {
	o.close()
	var err error
	o.ctx = ctx
	ctx, o.end = context.WithCancel(ctx)
	if o.cmd, o.tail, err = o.command.Prepare(ctx); err != nil {
		return err
	}
	o.cmd.Stdout = nil
	pipe, err := o.cmd.StdoutPipe()
	if err == nil {
		o.in, err = o.cmd.StdinPipe()
	}
	if err != nil {
		o.cmd = nil
		return err
	}
	if err := child.Start(ctx, o.cmd); err != nil {
		o.cmd, o.in = nil, nil
		return o.command.Failure(o.ctx, err, o.tail)
	}
	o.out = bufio.NewReaderSize(pipe, 256<<10)
	return nil
}

// within has git end when ctx does, which is whose questions follow, until done is
// called.
func (o *objects) within(ctx context.Context) (done func()) {
	o.ctx = ctx
	stop := context.AfterFunc(ctx, o.end)
	return func() { stop() }
}

// ask gives git, which it starts unless that was begun, a list of what next is going to
// read.
func (o *objects) ask(ctx context.Context, what string, names []string) error {
	if o.in == nil {
		if err := o.begin(ctx); err != nil {
			return err
		}
	}
	var lines strings.Builder
	for _, name := range names {
		if o.commands {
			lines.WriteString(what + " ")
		}
		lines.WriteString(name + "\n")
	}
	in, last := o.in, !o.commands
	if last {
		o.in = nil
	} else {
		lines.WriteString("flush\n")
	}
	go func() { // git answers before it has read all of them
		_, _ = io.WriteString(in, lines.String())
		if last {
			_ = in.Close()
		}
	}()
	return nil
}

// object is what git says of one before its bytes.
type object struct {
	id, kind string
	size     int64
}

// head reads what git says of the next object. name is what to call it in an error.
func (o *objects) head(name string) (object, error) {
	line, err := o.out.ReadString('\n')
	if err != nil {
		return object{}, o.broken(name, err)
	}
	f := strings.Fields(line)
	if len(f) == 3 && wholeID(f[0]) {
		if n, err := strconv.ParseInt(f[2], 10, 64); err == nil && n >= 0 {
			return object{id: f[0], kind: f[1], size: n}, nil
		}
	}
	return object{}, unlike(name, strings.TrimSpace(line))
}

// unlike is the error of an answer that is not what a tree, or the repository, says.
func unlike(name, answer string) error {
	return fmt.Errorf("git has for %s: %s", quoted(name), child.Printable(answer))
}

// body hands over the bytes of the object that head has told of. What is left of them is
// passed over.
func (o *objects) body(name string, is object, take func(io.Reader) error) error {
	body := &counted{r: o.out, left: is.size}
	if err := take(body); err != nil {
		if body.err != nil {
			return o.broken(name, body.err)
		}
		return err
	}
	if _, err := io.CopyN(io.Discard, o.out, body.left+1); err != nil {
		return o.broken(name, err)
	}
	return nil
}

// next hands over the bytes of one file.
func (o *objects) next(e entry, take func(io.Reader) error) error {
	is, err := o.head(e.path)
	if err != nil {
		return err
	}
	if is != (object{e.id, "blob", e.size}) {
		return unlike(e.path, fmt.Sprintf("%s %s %d", is.id, is.kind, is.size))
	}
	return o.body(e.path, is, take)
}

// broken is the error of a git that ended too early.
func (o *objects) broken(name string, err error) error {
	ended := o.cmd.Wait() // by then it has said why
	o.cmd, o.in = nil, nil
	if errors.Is(err, io.EOF) && ended != nil {
		err = ended
	}
	return fmt.Errorf("cannot read %s: %w", quoted(name), o.command.Failure(o.ctx, err, o.tail))
}

// close ends git.
func (o *objects) close() {
	if o == nil {
		return
	}
	if o.end != nil {
		o.end()
	}
	if o.cmd != nil {
		_ = o.cmd.Wait()
		o.cmd, o.in = nil, nil
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
