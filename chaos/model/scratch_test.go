package model

import (
	"fmt"
	"github.com/mmm-ha/mmm/chaos/model/data"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestScratch(t *testing.T) {
	only := os.Getenv("ONLY")
	limit, _ := strconv.Atoi(os.Getenv("LIMIT"))
	if limit == 0 {
		limit = 4000000
	}
	for _, c := range data.Cases() {
		if !strings.Contains(c.Name, only) {
			continue
		}
		t0 := time.Now()
		r := c.Run(limit)
		fmt.Printf("%-60s %9d %9d d%d %s %s st%d %v | %s\n", c.Name, r.States, r.Edges, r.Depth, r.Verdict, r.Why, r.Stalls, time.Since(t0).Round(time.Millisecond), c.Surprise(r))
		if os.Getenv("TRACE") != "" {
			for i, l := range r.Trace {
				fmt.Println(i, l)
			}
		}
	}
}
