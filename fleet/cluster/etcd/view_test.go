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

// TestHostsAreReadByThemselves: who is there is read without all that they serve. A watch
// that is behind brings back nobody, and goes on to tell of the rest.
func TestHostsAreReadByThemselves(t *testing.T) {
	t.Parallel()
	kv := func(key, value string, rev int64) *mvccpb.KeyValue {
		return &mvccpb.KeyValue{Key: []byte("/f/" + key), Value: []byte(value), ModRevision: rev}
	}
	v := newView()
	v.listed, v.Revision, v.Generation = 10, 10, 3
	v.put("hosts/a", kv("hosts/a", "{}", 8))
	v.put("endpoints/blog/a", kv("endpoints/blog/a", `{"ready":true}`, 9))
	v.takeHosts("/f/", &clientv3.GetResponse{Header: &etcdserverpb.ResponseHeader{Revision: 20}, Kvs: []*mvccpb.KeyValue{
		kv("hosts/b", `{"region":"eu1"}`, 15), kv("meta/generation", `{"generation":4}`, 18)}})
	if len(v.Hosts) != 1 || v.Hosts["b"].Region != "eu1" || v.Ready("blog", "a") {
		t.Errorf("the hosts are %v", v.Hosts)
	}
	if v.Generation != 3 {
		t.Errorf("the generation is %d before its texts were read", v.Generation)
	}
	v.apply("/f/", clientv3.WatchResponse{Header: &etcdserverpb.ResponseHeader{Revision: 19}, Events: []*clientv3.Event{
		{Type: clientv3.EventTypePut, Kv: kv("hosts/a", "{}", 14)},
		{Type: clientv3.EventTypePut, Kv: kv("endpoints/blog/b", `{"ready":true}`, 16)},
		{Type: clientv3.EventTypePut, Kv: kv("meta/generation", `{"generation":4}`, 18)}}})
	if len(v.Hosts) != 1 || !v.Ready("blog", "b") || v.Generation != 4 {
		t.Errorf("after a watch that was behind: hosts %v, blog ready on b: %v, generation %d", v.Hosts, v.Ready("blog", "b"), v.Generation)
	}
	v.takeHosts("/f/", &clientv3.GetResponse{Header: &etcdserverpb.ResponseHeader{Revision: 21}})
	if v.Generation != 0 || len(v.Hosts) != 0 {
		t.Errorf("of an etcd that was emptied it keeps generation %d and %v", v.Generation, v.Hosts)
	}
}
