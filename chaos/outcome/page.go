package outcome

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/chaos/check"
	"github.com/mmm-ha/mmm/chaos/history"
)

// Page is the run as one self-contained page of HTML: the picture, what each
// fault cost, what was checked, and how to run it again.
func Page(h *history.History, verdicts []check.Verdict, r Result) (string, error) {
	view := pageView{Result: r, Picture: template.HTML(picture(h)), Verdicts: verdicts} //nolint:gosec // picture escapes
	began := h.Run.Began
	for i, g := range check.Gaps(h) {
		f := g.Fault
		row := faultRow{N: i + 1, At: seconds(f.Begin.Sub(began)), Class: f.Class, Host: f.Host, Detail: f.Detail, Evidence: f.Evidence,
			Write: Millis(g.Write), VIP: Millis(g.VIP), Silent: g.Silent, Wrong: f.Error + f.Unsettled}
		if f.Host == f.Writer {
			row.Host += " (writer)"
		}
		if f.Lifted > f.Verified && f.Verified > 0 {
			row.Held = seconds(f.Lifted.Sub(f.Begin))
		}
		if f.Settled > f.Lifted && f.Lifted > 0 {
			row.Whole = seconds(f.Settled.Sub(f.Lifted))
		}
		view.Faults = append(view.Faults, row)
	}
	var s strings.Builder
	if err := page.Execute(&s, view); err != nil {
		return "", fmt.Errorf("make page: %w", err)
	}
	return s.String(), nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// pageView is what the template shows.
type pageView struct {
	Result   Result
	Picture  template.HTML
	Faults   []faultRow
	Verdicts []check.Verdict
}

type faultRow struct {
	N                     int
	At, Class, Host, Held string
	Detail, Evidence      string
	Write, VIP            Millis
	Silent, Whole, Wrong  string
}

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Chaos, seed {{.Result.Seed}}: {{.Result.Word}}</title>
<style>
body{font:15px/1.45 'DejaVu Sans',Verdana,sans-serif;color:#1f2933;margin:2em;max-width:90em}
h1{font-size:1.5em;margin:0 0 .2em}h2{font-size:1.15em;margin:1.8em 0 .4em}
p{max-width:60em}code{background:#f0f2f4;padding:.1em .3em}
.passed{color:#2e8540}.VIOLATED{color:#c0232c}.INVALID{color:#a35a00}
.picture{overflow-x:auto;border:1px solid #e3e6ea}
table{border-collapse:collapse}td,th{padding:.25em .8em .25em 0;text-align:left;vertical-align:top;border-bottom:1px solid #e3e6ea}
td.n,th.n{text-align:right}.pale{color:#69727d}.bad{color:#c0232c;font-weight:bold}
</style></head><body>
<h1>Chaos, seed {{.Result.Seed}}: <span class="{{.Result.Word}}">{{.Result.Word}}</span></h1>
<p class="pale">{{.Result.Date}} UTC, version {{.Result.Commit}}, profile {{.Result.Profile}}.</p>
<p>Four real database servers with a real etcd on one machine, each a host of its own in network namespaces. In
{{printf "%.0f" .Result.Seconds}} seconds they were struck by {{len .Faults}} faults in {{.Result.Strikes}} strikes; the writer changed
{{.Result.Failovers}} times. {{.Result.Acked}} writes were acknowledged, and the fate of {{.Result.Checked}} was looked up on every server at the end.</p>
{{with .Result.Details}}<h2 class="VIOLATED">What was violated</h2><ul>{{range .}}<li>{{.}}</li>{{end}}</ul>{{end}}
{{with .Result.Invalid}}<h2 class="INVALID">Why this run proves nothing</h2><ul>{{range .}}<li>{{.}}</li>{{end}}</ul>{{end}}
<h2>What happened</h2>
<p>Time runs to the right, in seconds; scroll for more. A red band is a fault while it is on, a pale one the time until the
cluster was whole again; its number is that of the table below. A bar in a host's lane is its reign as writer (pale: elected,
not open yet), grey is a host that is not in service. In the lanes of the VIPs a bar is the host that carries the address.
Red on the line of writes is time without an acknowledged write, on the lanes of the VIPs time without an answer, where it is longer than 100 ms.</p>
<div class="picture">{{.Picture}}</div>
<h2>What each fault cost</h2>
<table><tr><th class="n">no</th><th class="n">at</th><th>fault</th><th>host</th><th class="n">on for</th><th class="n">longest gap of writes</th>
<th class="n">longest silence of a VIP</th><th class="n">whole again after</th><th>how it was seen to bite</th></tr>
{{range .Faults}}<tr><td class="n">{{.N}}</td><td class="n">{{.At}}</td><td>{{.Class}}</td><td>{{.Host}}</td><td class="n">{{.Held}}</td><td class="n">{{.Write}}</td>
<td class="n">{{.VIP}}</td><td class="n">{{.Whole}}</td><td class="pale">{{.Evidence}} {{.Detail}}{{with .Wrong}} <span class="bad">{{.}}</span>{{end}}</td></tr>
{{end}}</table>
<p class="pale">Faults that overlap share their gap. A gap is measured from the fault to the next strike.</p>
<h2>What was checked</h2>
<table><tr><th>checker</th><th>what must be true</th><th class="n">looked at</th><th class="n">violations</th></tr>
{{range .Verdicts}}<tr><td>{{.Name}}</td><td>{{.Claim}}</td><td class="n">{{.Checked}}</td><td class="n{{if .Count}} bad{{end}}">{{.Count}}</td></tr>
{{end}}</table>
<h2>Again</h2>
<p><code>{{.Result.Replay}}</code></p>
<p class="pale">The same seed gives the same plan of faults. What a machine makes of it is never quite the same; the histories of this
run are in the folder <code>history</code> beside this page, <code>--again</code> judges them anew.</p>
</body></html>
`))
