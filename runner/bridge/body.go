package bridge

import (
	"errors"
	"fmt"
	"syscall"

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
}

func (b *body) add(p []byte) error {
	b.size += int64(len(p))
	if b.file == nil {
		if len(b.memory)+len(p) <= wsgi.MaxInlineBody {
			b.memory = append(b.memory, p...)
			return nil
		}
		f, err := b.s.tempFile()
		if err != nil {
			return fmt.Errorf("cannot keep the body: %w", err)
		}
		b.file = b.s.Store.NewBody(f)
		if _, err := b.file.Write(b.memory); err != nil {
			return fmt.Errorf("cannot keep the body: %w", err)
		}
		b.memory = nil
	}
	if _, err := b.file.Write(p); err != nil {
		return fmt.Errorf("cannot keep the body: %w", err)
	}
	return nil
}

// StorageStatus is the answer to a request whose body cannot be kept.
func StorageStatus(err error) int {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return 507
	}
	if errors.Is(err, unread.ErrFull) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM) {
		return 503 // later there may be room again
	}
	return 500
}

func (b *body) close() {
	if b.file != nil {
		_ = b.file.Close()
		b.file = nil
	}
}
