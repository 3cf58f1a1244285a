package mutants

import "time"

// asks are the tests of what hosts promise each other over the network.
var asks = Suite{Name: "hosts that ask each other", Pkg: "./internal/peer", Limit: 30 * time.Second}

// kept are the tests of promises that bind the next agent.
var kept = Suite{Name: "promises on disk", Pkg: "./election", Run: "Promise|KeyOfTheHost", Limit: 30 * time.Second}

// promises are the bugs of going on without etcd.
var promises = []Mutant{
	{
		Name: "promise-while-etcd-answers", Rules: []string{"R51"}, File: "topology/promise.go", Suite: stories,
		What: "A host that sees a quorum of etcd promises all the same, and keeps a writer whose key is gone.",
		Old:  `case v.Failsafe.Etcd && v.Failsafe.Back <= 0:`,
		New:  `case false:`,
	},
	{
		Name: "promise-against-an-own-campaign", Rules: []string{"R51"}, File: "topology/promise.go", Suite: stories,
		What: "A host promises to keep still while its own campaign is under way.",
		Old:  `case v.busy(breaks...):`,
		New:  `case v.busy(Follow):`,
	},
	{
		Name: "promise-after-an-unknown-campaign", Rules: []string{"R16", "R51"}, File: "topology/promise.go", Suite: stories,
		What: "A host promises to keep still although a campaign of its own may yet be taken.",
		Old:  `case v.Seen.Unknown >= a.Epoch:`,
		New:  `case false:`,
	},
	{
		Name: "promise-to-an-older-epoch", Rules: []string{"R51"}, File: "topology/promise.go", Suite: stories,
		What: "A host promises to keep still for a reign although it has seen a later one.",
		Old:  `case v.Seen.Epoch > a.Epoch:`,
		New:  `case false:`,
	},
	{
		Name: "promise-to-an-ended-reign", Rules: []string{"R51"}, File: "topology/promise.go", Suite: stories,
		What: "A host promises to keep still for a reign that it has seen end.",
		Old:  "case over:\n",
		New:  "case over && v.Cluster.Rev == 0:\n",
	},
	{
		Name: "promise-of-a-writer", Rules: []string{"R51"}, File: "topology/promise.go", Suite: stories,
		What: "A host that reigns itself promises another one to keep still.",
		Old:  "case v.Term.Epoch > 0:\n",
		New:  "case false:\n",
	},
	{
		Name: "promise-broken", Rules: []string{"R49"}, File: "topology/promise.go", Suite: stories,
		What: "A host bids and opens although it has promised to keep still.",
		Old:  `return v.Failsafe.Run > 0 && slices.Contains(breaks, a.Kind) ||`,
		New:  `return v.Failsafe.Run > 0 && a.Kind == PlaceBid ||`,
	},
	{
		Name: "promise-broken-by-a-claim", Rules: []string{"R54"}, File: "topology/promise.go", Suite: stories,
		What: "A host claims a reader VIP although it has promised to claim none.",
		Old:  `v.Failsafe.Claim > 0 && a.Kind == ClaimVIP &&`,
		New:  `false && a.Kind == ClaimVIP &&`,
	},
	{
		Name: "reign-goes-on-without-promises", Rules: []string{"R50", "R52"}, File: "topology/promise.go", Suite: stories,
		What: "A writer whose key etcd has let go of goes on although no promise lasts.",
		Old:  `return v.Term.Epoch > 0 && !v.Term.Ending && v.Failsafe.Left > 0 &&`,
		New:  `return v.Term.Epoch > 0 && !v.Term.Ending &&`,
	},
	{
		Name: "voters-of-an-unknown-record-not-asked", Rules: []string{"R16", "R50"}, File: "topology/promise.go", Suite: stories,
		What: "A host that a record of unknown fate made a voter is not asked for its promise.",
		Old:  `slices.Concat(v.Cluster.Reign.Value.Voters, v.Seen.Offered)`,
		New:  `slices.Concat(v.Cluster.Reign.Value.Voters)`,
	},
	{
		Name: "promise-not-persisted", Rules: []string{"R51"}, File: "election/promises.go", Suite: kept,
		What: "A promise is answered before it is on disk, and a restarted agent knows nothing of it.",
		Old:  `if p.disk.Reign >= reign && p.disk.Claim >= claim && p.disk.TTL >= m.TTL {`,
		New:  `if p.path != "" {`,
	},
	{
		Name: "promise-over-with-a-reboot", Rules: []string{"R51"}, File: "election/promises.go", Suite: kept,
		What: "A promise that was made before a reboot does not bind after it.",
		Old:  "case r.Boot != boot:\n\t\t\treturn now.Deadline(r.TTL)",
		New:  "case r.Boot != boot:\n\t\t\treturn Deadline{}",
	},
	{
		Name: "promise-shortened", Rules: []string{"R49"}, File: "election/promises.go", Suite: kept,
		What: "A shorter promise to another host cuts a longer one short.",
		Old:  `if m.Reign && p.reign.before(until) {`,
		New:  `if m.Reign {`,
	},
	{
		Name: "promise-over-on-one-clock", Rules: []string{"R49"}, File: "election/promises.go", Suite: kept,
		What: "A promise is over as soon as one of the two clocks says so.",
		Old:  `return max(d.mono.Sub(now.mono), d.boot-now.boot)`,
		New:  `return min(d.mono.Sub(now.mono), d.boot-now.boot)`,
	},
	{
		Name: "damaged-promise-is-none", Rules: []string{"R51"}, File: "election/promises.go", Suite: kept,
		What: "A file of promises that cannot be read is taken for none.",
		Old:  `return nil, fmt.Errorf("load the promises from %s: %w", p.path, err)`,
		New:  `return p, nil`,
	},
	{
		Name: "unsigned-ask-heard", Rules: []string{"R49"}, File: "internal/peer/server.go", Suite: asks,
		What: "Anybody may ask in the name of a host.",
		Old:  `case !genuine(key, askWords, body, r.Header.Get(signature)):`,
		New:  `case key == nil:`,
	},
	{
		Name: "ask-for-another-host-heard", Rules: []string{"R49"}, File: "internal/peer/server.go", Suite: asks,
		What: "An ask that was meant for another host is answered.",
		Old:  `case q.To != s.opt.Self:`,
		New:  `case false:`,
	},
	{
		Name: "ask-replayed", Rules: []string{"R49"}, File: "internal/peer/stamp.go", Suite: asks,
		What: "An ask that was overheard binds the host once more.",
		Old:  `if s.now()-at > life || at <= s.used[asker] {`,
		New:  `if s.now()-at > life {`,
	},
	{
		Name: "old-ask-heard", Rules: []string{"R49"}, File: "internal/peer/stamp.go", Suite: asks,
		What: "An ask that was held back on its way binds from when it arrives.",
		Old:  `if s.now()-at > life || at <= s.used[asker] {`,
		New:  `if at <= s.used[asker] {`,
	},
	{
		Name: "answer-of-another-round", Rules: []string{"R50"}, File: "internal/peer/message.go", Suite: asks,
		What: "The answer to an earlier ask is taken for the answer to this one.",
		Old:  `a.Epoch == q.Epoch && a.TTL == q.TTL && a.Nonce == q.Nonce`,
		New:  `a.Epoch == q.Epoch && a.TTL == q.TTL`,
	},
	{
		Name: "unsigned-answer-believed", Rules: []string{"R50"}, File: "internal/peer/client.go", Suite: asks,
		What: "Anybody on the way may promise in the name of a host.",
		Old:  `if !genuine(key, answerWords, got, sig) {`,
		New:  `if key == nil {`,
	},
}
