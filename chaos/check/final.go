package check

import (
	"slices"

	"github.com/mmm-ha/mmm/chaos/history"
)

// equal compares the servers at the end.
func equal(h *history.History) Finding {
	var f Finding
	if len(h.Finals) != len(h.Names()) {
		f.violate("%d of %d servers could be read in the end", len(h.Finals), len(h.Names()))
		return f
	}
	var writable []string
	first := h.Finals[0]
	for _, s := range h.Finals {
		f.Checked++
		if !s.ReadOnly {
			writable = append(writable, s.Host)
		}
		if s.Position != first.Position {
			f.violate("%s is at %s, %s at %s", s.Host, s.Position, first.Host, first.Position)
		}
		if len(s.Checksums) != len(first.Checksums) || len(s.Checksums) == 0 {
			f.violate("%s has %d tables, %s has %d", s.Host, len(s.Checksums), first.Host, len(first.Checksums))
		}
		for table, sum := range s.Checksums {
			if sum != first.Checksums[table] {
				f.violate("%s: checksum of %s is %s, on %s it is %s", s.Host, table, sum, first.Host, first.Checksums[table])
			}
		}
	}
	if len(writable) != 1 {
		f.violate("writable in the end: %v", writable)
	}
	return f
}

// keys compares etcd at the end with the servers.
func keys(h *history.History) Finding {
	var f Finding
	if len(h.States) == 0 {
		f.violate("nothing is known of etcd")
		return f
	}
	s := h.States[len(h.States)-1]
	f.Checked = len(h.States)
	if s.Epoch == 0 || s.Phase != "ready" || s.Reign != s.Epoch {
		f.violate("epoch %d of %q, phase %q, reign of epoch %d", s.Epoch, s.Writer, s.Phase, s.Reign)
	}
	if s.Order != "" {
		f.violate("an order is open, step %s", s.Order)
	}
	if slices.Contains(s.Ackers, s.Writer) || len(s.Ackers) != len(h.Names())-1 {
		f.violate("writer %s, ackers %v", s.Writer, s.Ackers)
	}
	last := int64(0)
	for _, state := range h.States {
		if state.Epoch != 0 && state.Epoch < last {
			f.violate("epoch %d came after epoch %d", state.Epoch, last)
		}
		last = max(last, state.Epoch)
	}
	where := map[string][]string{}
	for _, server := range h.Finals {
		if server.EpochRow != s.Epoch {
			f.violate("%s has the row of epoch %d, etcd names %d", server.Host, server.EpochRow, s.Epoch)
		}
		if server.ReadOnly == (server.Host == s.Writer) {
			f.violate("%s is read-only: %t, the writer is %s", server.Host, server.ReadOnly, s.Writer)
		}
		for _, vip := range server.VIPs {
			where[vip] = append(where[vip], server.Host)
		}
	}
	want := map[string]string{}
	for _, vip := range h.Run.WriterVIPs {
		want[vip] = s.Writer
	}
	for _, vip := range h.Run.ReaderVIPs {
		want[vip] = s.Claims[vip]
	}
	for vip, host := range want {
		if got := where[vip]; host == "" || len(got) != 1 || got[0] != host {
			f.violate("VIP %s is on %v, claimed by %q", vip, got, host)
		}
		delete(where, vip)
	}
	for vip, hosts := range where {
		f.violate("stray address %s on %v", vip, hosts)
	}
	return f
}
