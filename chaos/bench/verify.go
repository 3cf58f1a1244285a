package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/load"
)

// verify compares all servers with what the clients were told, and counts what
// was lost per fault.
func (r *Result) verify(ctx context.Context, bed *lab.Bed, journals [][]*load.Journal) error {
	report, servers, err := compareServers(ctx, bed, slices.Concat(journals...))
	if err != nil {
		return err
	}
	r.OK, r.Verified, r.Inserts, r.Unknown = report.OK(), verdict(report), report.Acked, report.Unknown
	for i, theirs := range journals {
		for _, j := range theirs {
			n, err := lost(ctx, j, servers)
			if err != nil {
				return err
			}
			r.Rows[i].Lost += n
		}
	}
	return nil
}

// compareServers looks on every server for what the clients were told.
func compareServers(ctx context.Context, bed *lab.Bed, journals []*load.Journal) (load.Report, []load.Server, error) {
	const settles = 30 * time.Second
	var servers []load.Server
	for _, h := range bed.Hosts() {
		if !h.Database() {
			continue
		}
		db, err := bed.DB(h.Name)
		if err != nil {
			return load.Report{}, nil, err
		}
		servers = append(servers, load.Server{Name: h.Name, DB: db})
	}
	report, err := load.Await(ctx, settles, "", journals, servers)
	if err != nil {
		return report, nil, fmt.Errorf("compare servers: %w", err)
	}
	return report, servers, nil
}

// verdict is a report in words.
func verdict(report load.Report) string {
	if !report.OK() {
		return report.String()
	}
	return report.String() + "; checksums equal, no row too many"
}

// lost counts the acknowledged rows of a client that at least one server lacks.
func lost(ctx context.Context, j *load.Journal, servers []load.Server) (int, error) {
	missing := make(map[uint64]bool)
	for _, s := range servers {
		rows, err := s.DB.QueryContext(ctx, "SELECT seq FROM app.journal WHERE client = ?", j.Client())
		if err != nil {
			return 0, fmt.Errorf("read rows of %s: %w", s.Name, err)
		}
		var has []uint64
		for rows.Next() {
			var seq uint64
			if err := rows.Scan(&seq); err != nil {
				return 0, errors.Join(fmt.Errorf("read rows of %s: %w", s.Name, err), rows.Close())
			}
			has = append(has, seq)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return 0, fmt.Errorf("read rows of %s: %w", s.Name, err)
		}
		slices.Sort(has)
		for _, a := range j.Attempts() {
			if _, found := slices.BinarySearch(has, a.Seq); a.Outcome == load.Acked && !found {
				missing[a.Seq] = true
			}
		}
	}
	return len(missing), nil
}
