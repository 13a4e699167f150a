package etcd

import (
	"testing"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// TestAWatchThatIsBehindTheListTellsNothingOld: all is listed anew while a watch goes on.
// What the watch brings afterwards may be from before the list: a host that had left and
// is back would be gone again.
func TestAWatchThatIsBehindTheListTellsNothingOld(t *testing.T) {
	t.Parallel()
	v := newView()
	v.listed, v.Revision = 10, 10
	v.put("hosts/a", &mvccpb.KeyValue{Value: []byte(`{"region":"eu1"}`), ModRevision: 10})
	event := func(kind mvccpb.Event_EventType, key, value string, rev int64) clientv3.WatchResponse {
		r := clientv3.WatchResponse{Header: &etcdserverpb.ResponseHeader{Revision: rev}, Events: []*clientv3.Event{{Type: kind, Kv: &mvccpb.KeyValue{Key: []byte("/f/" + key), Value: []byte(value), ModRevision: rev}}}}
		return r
	}
	v.apply("/f/", event(clientv3.EventTypeDelete, "hosts/a", "", 9))
	v.apply("/f/", event(clientv3.EventTypePut, "hosts/b", "{}", 8))
	if _, is := v.Hosts["a"]; !is || len(v.Hosts) != 1 {
		t.Fatalf("the past is back: %v", v.Hosts)
	}
	v.apply("/f/", event(clientv3.EventTypePut, "hosts/c", "{}", 11))
	v.apply("/f/", event(clientv3.EventTypeDelete, "hosts/a", "", 12))
	if _, is := v.Hosts["c"]; !is || len(v.Hosts) != 1 || v.Revision != 12 {
		t.Errorf("what is new is not taken in: %v, revision %d", v.Hosts, v.Revision)
	}
}
