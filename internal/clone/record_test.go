package clone

import (
	"reflect"
	"testing"

	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

func TestRecordIsReadAsItWasKept(t *testing.T) {
	d := Dirs{State: t.TempDir()}
	if c, err := d.Load(); err != nil || !reflect.DeepEqual(c, topology.Clone{}) {
		t.Fatalf("%+v, %v", c, err)
	}
	state, err := gtid.ParseState("0-1-100,0-2-200")
	if err != nil {
		t.Fatal(err)
	}
	want := topology.Clone{Step: topology.CloneReplacing, From: "db3", Order: 7, State: state, Old: "/x/old-1", Keep: "why"}
	if err := d.Save(want); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Load(); err != nil || got.State.String() != want.State.String() || got.Step != want.Step || got.Order != 7 || got.Old != want.Old || got.Keep != want.Keep {
		t.Errorf("%+v, %v", got, err)
	}
	if err := d.Save(topology.Clone{}); err != nil {
		t.Fatal(err)
	}
	if c, err := d.Load(); err != nil || c.Step != "" {
		t.Errorf("%+v, %v", c, err)
	}
}
