package database

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strings"
)

// shared tells whether other hosts make the same role at the same server.
func (m *Maker) shared() bool {
	return m.Agree != nil && m.Spec.Admin != "" && !path.IsAbs(strings.TrimPrefix(m.Spec.Server, "unix:"))
}

// agree remembers what the other hosts do of the role's password, or has them remember
// what this one does. They hold it sealed with what admin says, which each of them knows:
// who reads the place learns nothing of it. role tells that the role is there: then a new
// password is of no use.
func (m *Maker) agree(ctx context.Context, role bool) error {
	sum := sha256.Sum256([]byte(m.Spec.Server + "\x00" + m.Spec.Owner))
	name, mine, sealed := hex.EncodeToString(sum[:16]), m.Remembered, ""
	if mine == "" && !role {
		mine = rand.Text()
	}
	if mine != "" {
		var err error
		if sealed, err = seal(m.Spec.Admin, mine); err != nil {
			return err
		}
	}
	for instead := ""; ; {
		held, err := m.Agree(ctx, name, sealed, instead)
		if err != nil {
			return fmt.Errorf("cannot agree with the other hosts on the password of the role %q: %w", m.Spec.Owner, err)
		}
		if held == sealed {
			return m.keep(mine)
		}
		theirs, err := unseal(m.Spec.Admin, held)
		switch {
		case err == nil && m.Remembered == "":
			return m.keep(theirs)
		case err == nil || held == instead:
			return nil // this host's own has served it so far
		case m.Remembered != "":
			instead = held // sealed with what admin said before
		default:
			return fmt.Errorf("the other hosts know the password of the role %q, and this one cannot read it: admin had another value when they stored it; deploy first on a host that has the database, with the present value of admin", m.Spec.Owner)
		}
	}
}

func (m *Maker) keep(password string) error {
	if password == m.Remembered {
		return nil
	}
	if err := m.Save(password); err != nil {
		return fmt.Errorf("cannot keep the password of the role %q: %w", m.Spec.Owner, err)
	}
	m.Remembered = password
	return nil
}

// sealSalt is how many bytes make each seal another one, sealRounds what a guess at admin
// costs.
const (
	sealSalt   = 16
	sealRounds = 300_000
)

var errSeal = errors.New("it is sealed with another key")

func sealer(with string, salt []byte) (cipher.AEAD, error) {
	key, err := pbkdf2.Key(sha256.New, with, salt, sealRounds, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// seal makes a text of a secret that only who knows with can read.
func seal(with, secret string) (string, error) {
	salt := make([]byte, sealSalt)
	_, _ = rand.Read(salt) // it never fails
	a, err := sealer(with, salt)
	if err != nil {
		return "", fmt.Errorf("cannot seal a password: %w", err)
	}
	return base64.StdEncoding.EncodeToString(a.Seal(salt, nil, []byte(secret), nil)), nil
}

func unseal(with, text string) (string, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) < sealSalt {
		return "", errSeal
	}
	a, err := sealer(with, b[:sealSalt])
	if err != nil {
		return "", err
	}
	secret, err := a.Open(nil, nil, b[sealSalt:], nil)
	if err != nil {
		return "", errSeal
	}
	return string(secret), nil
}
