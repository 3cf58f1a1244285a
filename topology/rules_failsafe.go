package topology

import (
	"fmt"
	"slices"
)

// failsafeRules are what promises between hosts mean for what is decided. What
// a promise forbids is left out in Decide itself, for all rules at once.
var failsafeRules = []Rule{
	{
		Name: "promised",
		Doc:  "This host promised another one, which has lost etcd, to keep still: until that is over it neither bids, opens nor stops its IO thread (R49).",
		When: func(v *View) (string, bool) {
			return fmt.Sprintf("it promised %s to keep still, since neither of them reached etcd", v.Failsafe.To), v.Failsafe.Run > 0 || v.Failsafe.Claim > 0
		},
	},
	{
		Name: "retake", Last: true,
		Doc: "Etcd has let go of the reign while all others had promised to keep still: while they do, the writer puts its key again and stays open (R52).",
		When: when("etcd has let go of the reign, and all others promised to keep still meanwhile", func(v *View) bool {
			return v.carried() && v.Lease.ID != 0 && v.Cluster.Intents[v.Self].Value.Want != WantOffline
		}),
		Then: func(v *View) []Action {
			r := v.reign()
			r.Before = append(slices.Clone(r.Before), v.Term.Epoch)
			a := v.campaign(Proof{Best: v.Probe.Position})
			a[0].Kind, a[0].Epoch, a[0].Reign = Retake, v.Term.Epoch, &r
			return a
		},
	},
	{
		Name: "await-retake", Last: true,
		Doc:  "Etcd has let go of the reign, the promises of all others last, and there is no lease yet to take it again with: wait.",
		When: when("etcd has let go of the reign, and there is no lease yet", (*View).carried),
	},
}
