package bridge

import (
	"errors"
	"fmt"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// body is a request's body as it is read: in memory, past
// wsgi.MaxInlineBody in a file.
type body struct {
	s      *Server
	memory []byte
	file   *unread.Body
	size   int64
	up     *Upload // instead of all these: it is read as it arrives

	patience time.Duration // with the disk, while it takes nothing; 0: any
}

func (b *body) add(p []byte) error {
	b.size += int64(len(p))
	if b.file == nil {
		if len(b.memory)+len(p) <= wsgi.MaxInlineBody {
			b.memory = append(b.memory, p...)
			return nil
		}
		b.file = b.s.Store.NewBody(-1, nil)
		if err := b.file.Write(b.memory, b.patience); err != nil {
			return b.failed(err)
		}
		b.memory = nil
	}
	if err := b.file.Write(p, b.patience); err != nil {
		return b.failed(err)
	}
	return nil
}

// finish waits until all of the body is kept.
func (b *body) finish() error {
	if b.file == nil {
		return nil
	}
	if err := b.file.Finish(b.patience); err != nil {
		return b.failed(err)
	}
	return nil
}

func (b *body) failed(err error) error {
	if errors.Is(err, unread.ErrStalled) {
		err = fmt.Errorf("%w within %v (request.body_timeout)", err, b.patience)
	}
	return fmt.Errorf("cannot store the body: %w", err)
}

func (b *body) close() {
	if b.file != nil {
		_ = b.file.Close()
		b.file = nil
	}
	if b.up != nil {
		b.up.Close()
		b.up = nil
	}
}
