package sim

import (
	"os"
	"strconv"
	"testing"
)

func TestOne(t *testing.T) {
	seed, _ := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	o := Run(seed, Options{Story: true})
	t.Log(o.Text())
	t.Logf("%+v", o.Struck)
	t.Logf("hash %x sim %s reigns %d writes %d acked %d decisions %d stalled %q gaps %v", o.Hash, o.Simulated, o.Reigns, o.Writes, o.Acked, o.Decisions, o.Stalled, o.Gaps)
}
