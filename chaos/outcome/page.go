package outcome

import (
	"github.com/mmm-ha/mmm/chaos/check"
	"github.com/mmm-ha/mmm/chaos/history"
)

// Page is the run as one self-contained page of HTML.
func Page(h *history.History, verdicts []check.Verdict, r Result) string { return "" }
