package mutants

import "time"

// copies are the tests of the files of a copy, with no server.
var copies = Suite{Name: "files of a copy", Pkg: "./internal/clone", Limit: 30 * time.Second}

// clones are the bugs of how a host becomes a copy of another.
var clones = []Mutant{
	{
		Name: "data-replaced-while-counted-on", Rules: []string{"R46", "R48"}, File: "topology/rules_clone.go", Suite: stories,
		What: "A host gives its data up while an election would count on them.",
		Old:  `return v.settled() && known && !acks && !order`,
		New:  `return v.settled() && known && (acks || !acks) && !order`,
	},
	{
		Name: "data-replaced-on-an-old-view", Rules: []string{"R46", "R48"}, File: "agent/act_clone.go", Suite: agents,
		What: "Before the data go nobody asks etcd whether the acker set counts on the host by now.",
		Old:  "\tcase acks:\n",
		New:  "\tcase acks && false:\n",
	},
	{
		Name: "half-a-copy-is-a-server", Rules: []string{"R48"}, File: "internal/clone/place.go", Suite: copies,
		What: "While files are moved nothing keeps a server from starting with half of them.",
		Old:  "\tif err := errors.Join(d.bar(to), syncDir(d.Data)); err != nil {",
		New:  "\tif err := syncDir(d.Data); err != nil {",
	},
	{
		Name: "unfinished-copy-counts", Rules: []string{"R48"}, File: "topology/clone.go", Suite: agents,
		What: "A server with the data of a copy and without its positions is taken for what it says it has.",
		Old:  `return c.Step == CloneReplacing || c.Step == CloneReplaced`,
		New:  `return c.Step == CloneReplacing`,
	},
	{
		Name: "unseen-data-removed", Rules: []string{"R46"}, File: "agent/act_clone.go", Suite: agents,
		What: "Data that nobody could look at are removed when the copy follows.",
		Old:  `case c.Keep != "":`,
		New:  `case c.Keep != "" && false:`,
	},
	{
		Name: "changed-copy-unpacked", Rules: []string{"R48"}, File: "internal/peer/inlet.go", Suite: asks,
		What: "What comes of a copy is unpacked whoever made it.",
		Old:  `if !ed25519.Verify(key, pieceText(in.nonce, in.seq, head[0], piece), head[5:]) {`,
		New:  `if !ed25519.Verify(key, pieceText(in.nonce, in.seq, head[0], piece), head[5:]) && len(key) == 0 {`,
	},
}
