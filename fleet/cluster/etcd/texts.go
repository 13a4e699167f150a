package etcd

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
)

// Meta is what meta/generation says.
type Meta struct {
	Generation int64  `json:"generation"`
	Stage      string `json:"stage"` // where its texts are
	Files      int    `json:"files"`
	Digest     string `json:"digest"` // see cluster.Texts.Digest
	// Texts are the digests of the single files: who has one of them need not read it.
	Texts map[string]string `json:"texts,omitempty"`
	// News are those texts that the generation before had not, where they are small: who
	// has that one need not ask for anything.
	News map[string][]byte `json:"news,omitempty"`
	By   string            `json:"by"` // who pushed it, from where
	At   time.Time         `json:"at"`
}

// newsBytes is how long news may be: all hosts are sent them, those too that have them.
const newsBytes = 16 << 10

// ErrNothing tells that no generation is there: none was pushed, or somebody has
// emptied the prefix.
var ErrNothing = errors.New("there is no generation of specs")

// ErrOvertaken tells that another push came first.
var ErrOvertaken = errors.New("another push came first")

const (
	// batchOps is how many operations go in one transaction: servers refuse more than
	// 128, unless they are told otherwise.
	batchOps = 100
	// batchBytes is how much goes in one: servers refuse 1.5 MiB, this client 2 MiB, each
	// with words of its own.
	batchBytes = 1 << 20
	// pageKeys is how many keys are read in one answer.
	pageKeys = 200
)

// Texts reads the current generation, at one revision. What is not whole is an error.
func (c *Client) Texts(ctx context.Context) (cluster.Texts, error) {
	u, _, err := c.update(ctx, nil)
	return cluster.Texts{Generation: u.Generation, Files: u.Files}, err
}

// fewTexts are read one by one rather than with all others.
const fewTexts = 20

// update is in what the generation differs from texts that somebody has, of which it is
// told the digests by their names. missing are the names of those that the news lack.
func (m *Meta) update(have map[string]string) (u cluster.Update, missing []string) {
	u = cluster.Update{Generation: m.Generation, Digest: m.Digest, Files: map[string][]byte{}}
	for n, digest := range m.Texts {
		news, told := m.News[n]
		switch {
		case have[n] == digest:
			u.Same = append(u.Same, n)
		case told && textDigest(news) == digest:
			u.Files[n] = news
		default:
			missing = append(missing, n)
		}
	}
	return u, missing
}

// tellNews puts those texts into the generation that the one before has not, if they
// are small.
func (m *Meta) tellNews(old *Meta, t cluster.Texts) {
	news, size := map[string][]byte{}, 0
	for n, text := range t.Files {
		if old == nil || old.Texts[n] != m.Texts[n] {
			news[n], size = text, size+len(n)+len(text)
		}
	}
	if size <= newsBytes {
		m.News = news
	}
}

// update reads in what the current generation differs from texts that somebody has. The
// second result is the digests of its texts.
func (c *Client) update(ctx context.Context, have map[string]string) (cluster.Update, map[string]string, error) {
	none := cluster.Update{}
	meta, _, rev, err := c.meta(ctx)
	if err != nil {
		return none, nil, err
	}
	if meta == nil {
		return none, nil, fmt.Errorf("cannot read the specs of %s: %w; push them: wsgid-fleet push DIR", c.where(), ErrNothing)
	}
	u, missing := meta.update(have)
	prefix := c.key("specs", meta.Stage) + "/"
	if len(meta.Texts) == 0 || len(missing) > fewTexts {
		if u.Files, err = c.whole(ctx, prefix, rev); err != nil {
			return none, nil, err
		}
		u.Same = nil
		if len(u.Files) != meta.Files || (cluster.Texts{Files: u.Files}).Digest() != meta.Digest {
			return none, nil, c.notWhole(meta, len(u.Files))
		}
		digests := make(map[string]string, len(u.Files))
		for n, text := range u.Files {
			digests[n] = textDigest(text)
			if have[n] == digests[n] {
				u.Same = append(u.Same, n)
				delete(u.Files, n)
			}
		}
		return u, digests, nil
	}
	for _, n := range missing {
		got, err := c.get(ctx, prefix+n, clientv3.WithRev(rev))
		if err != nil {
			return none, nil, err
		}
		for _, kv := range got.Kvs {
			if textDigest(kv.Value) == meta.Texts[n] {
				u.Files[n] = kv.Value
			}
		}
	}
	if there := len(u.Files) + len(u.Same); there != meta.Files {
		return none, nil, c.notWhole(meta, there)
	}
	return u, meta.Texts, nil
}

// whole reads all texts of a stage.
func (c *Client) whole(ctx context.Context, prefix string, rev int64) (map[string][]byte, error) {
	files := map[string][]byte{}
	for from, more := prefix, true; more; {
		got, err := c.get(ctx, from, clientv3.WithRange(clientv3.GetPrefixRangeEnd(prefix)), clientv3.WithRev(rev), clientv3.WithLimit(pageKeys))
		if err != nil {
			return nil, err
		}
		for _, kv := range got.Kvs {
			files[strings.TrimPrefix(string(kv.Key), prefix)] = kv.Value
			from = string(kv.Key) + "\x00"
		}
		more = got.More
	}
	return files, nil
}

func (c *Client) notWhole(meta *Meta, there int) error {
	return fmt.Errorf("cannot read the specs of %s: generation %d is not whole: %d of %d files are there; push it again: wsgid-fleet push DIR", c.where(), meta.Generation, there, meta.Files)
}

// meta reads what counts: nil where there is none; the revision at which it was
// written, and that of the answer.
func (c *Client) meta(ctx context.Context) (meta *Meta, mod, rev int64, err error) {
	got, err := c.get(ctx, c.key("meta", "generation"))
	if err != nil {
		return nil, 0, 0, err
	}
	rev = got.Header.GetRevision()
	if len(got.Kvs) == 0 {
		return nil, 0, rev, nil
	}
	meta = &Meta{}
	if err := json.Unmarshal(got.Kvs[0].Value, meta); err != nil {
		return nil, 0, 0, fmt.Errorf("cannot read the specs of %s: meta/generation has a format that this version does not understand", c.where())
	}
	return meta, got.Kvs[0].ModRevision, rev, nil
}

// get is a linearizable read.
func (c *Client) get(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	cl, err := c.conn()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.limit())
	defer cancel()
	got, err := cl.Get(ctx, key, opts...)
	if err != nil {
		return nil, c.explain("read", err)
	}
	return got, nil
}

// txn is one transaction.
func (c *Client) txn(ctx context.Context, verb string, cmps []clientv3.Cmp, then, otherwise []clientv3.Op) (*clientv3.TxnResponse, error) {
	cl, err := c.conn()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.limit())
	defer cancel()
	got, err := cl.Txn(ctx).If(cmps...).Then(then...).Else(otherwise...).Commit()
	if err != nil {
		return nil, c.explain(verb, err)
	}
	return got, nil
}

// Watch calls hint when another generation counts. It ends when the watch does: whoever
// follows lists anew and watches again.
func (c *Client) Watch(ctx context.Context, hint func()) {
	cl, err := c.conn()
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for r := range cl.Watch(clientv3.WithRequireLeader(ctx), c.key("meta", "generation")) {
		if r.Err() != nil {
			return
		}
		hint()
	}
}

// Push makes texts the current generation and says which that is. Where they are it
// already, nothing is written, and changed is false. by names who pushes.
func (c *Client) Push(ctx context.Context, t cluster.Texts, by string) (generation int64, changed bool, err error) {
	if len(t.Files) == 0 {
		return 0, false, errors.New("cannot push: there is no spec file, and a push does not empty a fleet")
	}
	old, mod, _, err := c.meta(ctx)
	if err != nil {
		return 0, false, err
	}
	meta := Meta{Generation: 1, Stage: stageName(), Files: len(t.Files), Digest: t.Digest(), By: by, At: time.Now().UTC(), Texts: map[string]string{}}
	for n, text := range t.Files {
		meta.Texts[n] = textDigest(text)
	}
	if old != nil {
		if old.Digest == meta.Digest {
			if _, err := c.Texts(ctx); err == nil { // else it is to be mended
				return old.Generation, false, nil
			}
		}
		meta.Generation = old.Generation + 1
	}
	meta.tellNews(old, t)
	text, err := json.Marshal(meta)
	if err != nil {
		return 0, false, err
	}
	last, err := c.stage(ctx, meta.Stage, t, len(text))
	if err != nil {
		return 0, false, err
	}
	specs := c.key("specs") + "/"
	got, err := c.txn(ctx, "push to",
		[]clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(c.key("meta", "generation")), "=", mod)},
		// What is staged now is either current or of a push that began before this one
		// and can no longer end well: all else came after.
		append(last, clientv3.OpPut(c.key("meta", "generation"), string(text)), clientv3.OpGet(specs, clientv3.WithPrefix(), clientv3.WithKeysOnly())), nil)
	if err != nil {
		return 0, false, err
	}
	if !got.Succeeded {
		c.unstage(ctx, meta.Stage)
		return 0, false, fmt.Errorf("cannot push to %s: %w: look at what it brought (wsgid-fleet pull DIR) and push again", c.where(), ErrOvertaken)
	}
	stale := map[string]bool{}
	for _, kv := range got.Responses[len(last)+1].GetResponseRange().Kvs {
		stage, _, _ := strings.Cut(strings.TrimPrefix(string(kv.Key), specs), "/")
		// The generation before may be read right now.
		if stage != meta.Stage && (old == nil || stage != old.Stage) {
			stale[stage] = true
		}
	}
	for stage := range stale {
		c.unstage(ctx, stage)
	}
	return meta.Generation, true, nil
}

func textDigest(text []byte) string {
	h := sha256.Sum256(text)
	return hex.EncodeToString(h[:16])
}

func stageName() string { return rand.Text() }

// stage writes the texts where nobody reads them yet, but for the last ones, which go
// along with the switch of that many bytes: those it returns. Of few texts all do.
func (c *Client) stage(ctx context.Context, stage string, t cluster.Texts, along int) (last []clientv3.Op, err error) {
	size := 0
	flush := func() error {
		if len(last) == 0 {
			return nil
		}
		_, err := c.txn(ctx, "push to", nil, last, nil)
		last, size = nil, 0
		if err != nil {
			c.unstage(context.WithoutCancel(ctx), stage)
		}
		return err
	}
	for _, n := range t.Names() {
		text := t.Files[n]
		if len(text) > cluster.MaxText {
			c.unstage(context.WithoutCancel(ctx), stage)
			return nil, fmt.Errorf("cannot push %s: it has %d bytes, and at most %d go through etcd; divide it", n, len(text), cluster.MaxText)
		}
		if len(last) == batchOps || size+len(text) > batchBytes {
			if err := flush(); err != nil {
				return nil, err
			}
		}
		last = append(last, clientv3.OpPut(c.key("specs", stage, n), string(text)))
		size += len(text)
	}
	if size+along > batchBytes {
		return nil, flush()
	}
	return last, nil
}

// unstage removes what nobody reads. What cannot be removed the next push removes.
func (c *Client) unstage(ctx context.Context, stage string) {
	_, _ = c.txn(ctx, "tidy", nil, []clientv3.Op{clientv3.OpDelete(c.key("specs", stage)+"/", clientv3.WithPrefix())}, nil)
}
