package certs

import (
	"context"
	"encoding/json"
	"path"
	"sync"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
)

// storage is certmagic's files, but for the challenges: what certmagic keeps for other
// machines that answer in its place is given to who answers here.
type storage struct {
	certmagic.FileStorage
	challenges Challenges

	mu   sync.Mutex
	open map[string]*Challenge // by key; guarded by mu
}

func isChallenge(key string) bool { return path.Base(path.Dir(key)) == "challenge_tokens" }

// Store implements certmagic.Storage.
func (s *storage) Store(ctx context.Context, key string, value []byte) error {
	if !isChallenge(key) {
		return s.FileStorage.Store(ctx, key, value)
	}
	var told acme.Challenge
	if err := json.Unmarshal(value, &told); err != nil {
		return err
	}
	c, err := challengeOf(&told)
	if err != nil {
		return err
	}
	if err := s.challenges.Present(ctx, c); err != nil {
		return err
	}
	s.mu.Lock()
	before := s.open[key]
	s.open[key] = c
	s.mu.Unlock()
	if before != nil {
		s.challenges.CleanUp(before)
	}
	return nil
}

// Delete implements certmagic.Storage.
func (s *storage) Delete(ctx context.Context, key string) error {
	if !isChallenge(key) {
		return s.FileStorage.Delete(ctx, key)
	}
	s.mu.Lock()
	c := s.open[key]
	delete(s.open, key)
	s.mu.Unlock()
	if c != nil {
		s.challenges.CleanUp(c)
	}
	return nil
}
