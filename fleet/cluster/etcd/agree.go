package etcd

import (
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Agree has all hosts hold the same text under a name: mine is written where instead is
// what is there (empty: nothing), and nothing where mine is empty. It returns what is
// there then.
func (c *Client) Agree(ctx context.Context, name, mine, instead string) (string, error) {
	key := c.key("secrets", name)
	is := clientv3.Compare(clientv3.Value(key), "=", instead)
	if instead == "" {
		is = clientv3.Compare(clientv3.CreateRevision(key), "=", 0)
	}
	var then []clientv3.Op
	if mine != "" {
		then = append(then, clientv3.OpPut(key, mine))
	}
	got, err := c.txn(ctx, "agree on a secret in", []clientv3.Cmp{is}, append(then, clientv3.OpGet(key)), []clientv3.Op{clientv3.OpGet(key)})
	if err != nil {
		return "", err
	}
	for _, kv := range got.Responses[len(got.Responses)-1].GetResponseRange().Kvs {
		return string(kv.Value), nil
	}
	return "", nil
}

// Agree is the client's.
func (m *Member) Agree(ctx context.Context, name, mine, instead string) (string, error) {
	return m.client.Agree(ctx, name, mine, instead)
}
