package clusterfile

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/topology"
)

func TestRoutersArriveWithTheirDefaults(t *testing.T) {
	got, err := Parse("c.yaml", []byte(article+`routers:
  hosts: [{name: router1, address: 192.0.2.171}, {name: router2, address: 192.0.2.172, interface: lan0}]
  vips: [192.0.2.170]
  listen: {rw: 8066}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := topology.Routers{
		Hosts: []topology.RouterSpec{
			{Name: "router1", Address: netip.MustParseAddr("192.0.2.171"), Interface: "eth0"},
			{Name: "router2", Address: netip.MustParseAddr("192.0.2.172"), Interface: "lan0"}},
		VIPs:   []netip.Addr{netip.MustParseAddr("192.0.2.170")},
		Listen: topology.Listen{RW: 8066, RO: 3307},
	}
	if !reflect.DeepEqual(got.Routers, want) {
		t.Errorf("got %+v", got.Routers)
	}
	again, err := Parse("c.yaml", Print(got))
	if err != nil || !reflect.DeepEqual(again, got) {
		t.Errorf("printed and read again: %v\n%s", err, Print(got))
	}
}

func TestRoutersThatCannotBeAreToldWhy(t *testing.T) {
	for text, want := range map[string]string{
		"routers: {vips: [192.0.2.170]}":                                                           "list the machines",
		"routers: {hosts: [{name: db1, address: 192.0.2.171}]}":                                    "name \"db1\" of a router is used twice, first at [5:12]",
		"routers: {hosts: [{name: r1, address: 192.0.2.161}]}":                                     "needs a machine of its own",
		"routers: {hosts: [{name: r1}]}":                                                           "has no address",
		"routers: {hosts: [{address: 192.0.2.171}]}":                                               "has no name",
		"routers: {hosts: [{name: a/b, address: 192.0.2.171}]}":                                    "cannot be a router's name",
		"routers: {hosts: [{name: r1, address: 192.0.2.171, mode: slave}]}":                        "unknown field \"mode\"",
		"routers: {hosts: [{name: r1, address: 192.0.2.171}], vips: [192.0.2.113]}":                "already a VIP of role writer",
		"routers: {hosts: [{name: r1, address: 192.0.2.171}], vips: [192.0.2.171]}":                "already the address of router r1",
		"routers: {hosts: [{name: r1, address: 192.0.2.171}], listen: {rw: 3307}}":                 "both 3307",
		"routers: {hosts: [{name: r1, address: 192.0.2.171, interface: a-name-that-is-too-long}]}": "cannot be a network interface",
		"routers: {hosts: [{name: r1, address: 192.0.2.171}, {name: r1, address: 192.0.2.172}]}":   "used twice",
		"routers: {hosts: [{name: r1, address: 192.0.2.171}, {name: r2, address: 192.0.2.171}]}":   "used twice",
	} {
		_, err := Parse("c.yaml", []byte(article+text+"\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n%v\nwant %q", text, err, want)
		}
	}
}
