package demo

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// claim is one thing that must be true, and how to see whether it is.
type claim struct {
	says string
	// wrong is what was seen instead, empty when the claim holds.
	wrong func(facts) string
}

// cast names who plays: what the claims need to know of the bed.
type cast struct {
	address map[string]string // host: its own address
	writer  string            // the writer VIP
	readers []string          // the reader VIPs
	router  string            // the router VIP
	routers []string          // the hosts with a router
}

// states claims the state of each host in show; every other host is ONLINE.
func (c cast) states(other map[string]string) claim {
	says := "show: all hosts are ONLINE"
	if len(other) > 0 {
		var list []string
		for _, h := range slices.Sorted(maps.Keys(other)) {
			list = append(list, h+" is "+other[h])
		}
		says = "show: " + strings.Join(list, ", ") + ", all others are ONLINE"
	}
	return claim{says, func(f facts) string {
		var seen []string
		for _, h := range slices.Sorted(slices.Values(slices.Concat(slices.Collect(maps.Keys(c.address)), c.routers))) {
			want := "ONLINE"
			if s, ok := other[h]; ok {
				want = s
			}
			if got := f.shown[h].state; got != want {
				seen = append(seen, fmt.Sprintf("%s is %q", h, got))
			}
		}
		return strings.Join(seen, ", ")
	}}
}

// writerIs claims that one host has the writer role, carries its VIP and is
// the only one that takes writes.
func (c cast) writerIs(host string) claim {
	says := fmt.Sprintf("%s alone carries the writer VIP %s on its interface, and its mysqld alone is not read_only", host, c.writer)
	return claim{says, func(f facts) string {
		var seen []string
		if got := f.holders("writer(" + c.writer + ")"); !slices.Equal(got, []string{host}) {
			seen = append(seen, fmt.Sprintf("show gives the writer role to %s", names(got)))
		}
		if got := f.carries[c.writer]; !slices.Equal(got, []string{host}) {
			seen = append(seen, fmt.Sprintf("%s is on the interfaces of %s", c.writer, names(got)))
		}
		for _, h := range slices.Sorted(maps.Keys(f.servers)) {
			s := f.servers[h]
			switch {
			case h == host && s.err != nil:
				seen = append(seen, fmt.Sprintf("%s: %s", h, s))
			case s.err == nil && s.readOnly == (h == host):
				seen = append(seen, fmt.Sprintf("%s: read_only=%t", h, s.readOnly))
			}
		}
		return strings.Join(seen, ", ")
	}}
}

// readersOn claims that each reader VIP is on exactly one of the hosts, in show
// and on the interfaces, that the counts differ by one at most, and that reads
// through it are answered.
func (c cast) readersOn(hosts ...string) claim {
	says := fmt.Sprintf("each of the %d reader VIPs is on exactly one of %s, evenly, and answers", len(c.readers), names(hosts))
	return claim{says, func(f facts) string {
		seen, count := c.placed(f, hosts)
		for _, h := range hosts {
			if n := count[h]; n < len(c.readers)/len(hosts) || n > (len(c.readers)+len(hosts)-1)/len(hosts) {
				seen = append(seen, fmt.Sprintf("%s has %d of them", h, n))
			}
		}
		return strings.Join(seen, ", ")
	}}
}

// readerIs claims that one reader VIP is on one host; the others may be anywhere, but once.
func (c cast) readerIs(vip, host string) claim {
	says := fmt.Sprintf("%s is on %s, and each other reader VIP on exactly one host", vip, host)
	return claim{says, func(f facts) string {
		seen, _ := c.placed(f, slices.Sorted(maps.Keys(c.address)))
		if got := f.carries[vip]; !slices.Equal(got, []string{host}) {
			seen = append(seen, fmt.Sprintf("%s is on the interfaces of %s", vip, names(got)))
		}
		return strings.Join(seen, ", ")
	}}
}

// readsAreFresh is how old the last answer through a reader VIP may be.
const readsAreFresh = time.Second

// placed lists what is wrong with where the reader VIPs are and counts them by host.
func (c cast) placed(f facts, allowed []string) (seen []string, count map[string]int) {
	count = make(map[string]int)
	for _, vip := range c.readers {
		shown, carried := f.holders("reader("+vip+")"), f.carries[vip]
		switch {
		case len(carried) != 1 || !slices.Contains(allowed, carried[0]):
			seen = append(seen, fmt.Sprintf("%s is on the interfaces of %s", vip, names(carried)))
		case !slices.Equal(shown, carried):
			seen = append(seen, fmt.Sprintf("%s is on %s but show says %s", vip, carried[0], names(shown)))
		case f.reads[vip] > readsAreFresh:
			seen = append(seen, fmt.Sprintf("%s last answered a read %.1f s ago", vip, f.reads[vip].Seconds()))
		default:
			count[carried[0]]++
		}
	}
	return seen, count
}

// follow claims that hosts replicate from the writer.
func (c cast) follow(writer string, hosts ...string) claim {
	says := fmt.Sprintf("SHOW SLAVE STATUS on %s: Master_Host is %s (%s), both threads run", names(hosts), c.address[writer], writer)
	return claim{says, func(f facts) string {
		var seen []string
		for _, h := range hosts {
			s := f.servers[h]
			if s.err != nil || s.source != c.address[writer] || s.io != "Yes" || s.sql != "Yes" {
				seen = append(seen, h+": "+s.String())
			}
		}
		return strings.Join(seen, "; ")
	}}
}

// idle claims that a host has no role, in show and on its interface.
func (c cast) idle(host string) claim {
	return claim{host + " has no role and carries no VIP", func(f facts) string {
		var seen []string
		if roles := f.shown[host].roles; len(roles) > 0 {
			seen = append(seen, "show gives it "+strings.Join(roles, ", "))
		}
		for _, vip := range append([]string{c.writer}, c.readers...) {
			if slices.Contains(f.carries[vip], host) {
				seen = append(seen, "its interface carries "+vip)
			}
		}
		return strings.Join(seen, ", ")
	}}
}

// routerIs claims that one router alone has the router VIP, in show and on its interface.
func (c cast) routerIs(host string) claim {
	says := fmt.Sprintf("%s alone carries the router VIP %s on its interface", host, c.router)
	return claim{says, func(f facts) string {
		var seen []string
		if got := f.holders("router(" + c.router + ")"); !slices.Equal(got, []string{host}) {
			seen = append(seen, fmt.Sprintf("show gives it to %s", names(got)))
		}
		if got := f.carries[c.router]; !slices.Equal(got, []string{host}) {
			seen = append(seen, fmt.Sprintf("it is on the interfaces of %s", names(got)))
		}
		return strings.Join(seen, ", ")
	}}
}

// splits claims that through the router VIP the writer alone was written on, and
// that the other hosts, each of them, and nobody else answered the reads.
func (c cast) splits(writer string, hosts ...string) claim {
	says := fmt.Sprintf("through the router VIP %s made each of the last %d inserts, and %s answered all reads of the last second", writer, lastRows, names(hosts))
	return claim{says, func(f facts) string {
		var seen []string
		who := map[int64]string{}
		for h, s := range f.servers {
			who[s.id] = h
		}
		w := f.servers[writer]
		if w.err != nil || len(w.inserts) != 1 || w.inserts[w.id] != lastRows {
			seen = append(seen, "inserts by server_id: "+counts(w.inserts, who))
		}
		for _, h := range hosts {
			if f.lately[f.servers[h].id] == 0 {
				seen = append(seen, h+" answered none")
			}
		}
		for id, n := range f.lately {
			if !slices.Contains(hosts, who[id]) {
				seen = append(seen, fmt.Sprintf("%s answered %d", orNumber(who, id), n))
			}
		}
		slices.Sort(seen)
		return strings.Join(seen, ", ")
	}}
}

// counts says numbers by the name of the server.
func counts(by map[int64]int, who map[int64]string) string {
	var out []string
	for id, n := range by {
		out = append(out, fmt.Sprintf("%s %d", orNumber(who, id), n))
	}
	slices.Sort(out)
	return names(out)
}

func orNumber(who map[int64]string, id int64) string {
	if h, known := who[id]; known {
		return h
	}
	return fmt.Sprintf("server_id %d", id)
}

// names lists words as English does.
func names(list []string) string {
	switch n := len(list); n {
	case 0:
		return "nobody"
	case 1:
		return list[0]
	default:
		return strings.Join(list[:n-1], ", ") + " and " + list[n-1]
	}
}
