package main

import (
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

func TestDoctorKnowsTheCertificatesThatTheDaemonGets(t *testing.T) {
	later, earlier := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	all := managedCertificates(fleet.AppStatus{Name: "blog", Certificates: []fleet.CertificateStatus{
		{Cert: "/own.pem", Problem: "it is read by the spec"},
		{Cert: "/good.pem", Host: "good.test", Expires: later},
		{Cert: "/late.pem", Host: "late.test", Expires: later, Problem: "not renewed", Failures: 3},
		{Cert: "/new.pem", Host: "new.test", Problem: "there is none yet"},
		{Cert: "/none.pem", Host: "none.test", Problem: "refused", Failures: 3},
		{Cert: "/over.pem", Host: "over.test", Expires: earlier, Problem: "expired", Failures: 3},
	}})
	if len(all) != 5 {
		t.Fatalf("%+v", all)
	}
	for i, harmless := range []bool{true, true, true, false, false} {
		if c := all[i]; c.Soon != harmless || (c.Trouble == "") != (i == 0) || (c.Do == "") != (i == 0) {
			t.Errorf("%+v", c)
		}
	}
}
