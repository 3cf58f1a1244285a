package storm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/chaos/history"
)

// finals reads every server when all is quiet, once the replicas have what the
// writer has (or patience is over: then the differences are recorded).
func (s *site) finals(ctx context.Context, out *history.Recorder) error {
	const catchUp = 30 * time.Second
	unequal := until(ctx, catchUp, func() error { return s.samePosition(ctx) })
	var errs []error
	for _, h := range s.databases() {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		errs = append(errs, s.final(ctx, h.Name, out), s.rows(ctx, h.Name, out), s.commits(ctx, h.Name, out))
		cancel()
	}
	if err := errors.Join(errs...); err != nil {
		return errors.Join(err, unequal)
	}
	return nil
}

func (s *site) samePosition(ctx context.Context) error {
	positions := map[string][]string{}
	for _, h := range s.databases() {
		position, err := s.position(ctx, h.Name)
		if err != nil {
			return err
		}
		positions[position] = append(positions[position], h.Name)
	}
	if len(positions) > 1 {
		return fmt.Errorf("positions differ: %v", positions)
	}
	return nil
}

// position is where the binlog of a server ends.
func (s *site) position(ctx context.Context, host string) (string, error) {
	db, err := s.bed.DB(host)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var position string
	if err := db.QueryRowContext(ctx, "SELECT @@gtid_binlog_pos").Scan(&position); err != nil {
		return "", fmt.Errorf("position of %s: %w", host, err)
	}
	return position, nil
}

// final records one server.
func (s *site) final(ctx context.Context, host string, out *history.Recorder) error {
	db, err := s.bed.DB(host)
	if err != nil {
		return err
	}
	f := history.Final{Host: host, Checksums: map[string]string{}}
	err = db.QueryRowContext(ctx, `SELECT @@gtid_binlog_pos, @@read_only, (SELECT MAX(epoch) FROM mmm.epoch),
		(SELECT SUM(balance) FROM app.bank)`).Scan(&f.Position, &f.ReadOnly, &f.EpochRow, &f.Total)
	if err != nil {
		return fmt.Errorf("read %s: %w", host, err)
	}
	for _, table := range tables {
		var name, sum string
		if err := db.QueryRowContext(ctx, "CHECKSUM TABLE "+table).Scan(&name, &sum); err != nil {
			return fmt.Errorf("checksum %s on %s: %w", table, host, err)
		}
		f.Checksums[table] = sum
	}
	status, err := s.bed.Status(ctx)
	if err != nil {
		return err
	}
	for _, h := range status.Hosts {
		for _, text := range h.Addresses {
			if p, err := netip.ParsePrefix(text); err == nil && h.Name == host && p.Addr() != h.Address {
				f.VIPs = append(f.VIPs, p.Addr().String())
			}
		}
	}
	slices.Sort(f.VIPs)
	out.Final(f)
	return nil
}

// rows records which rows of the clients a server has.
func (s *site) rows(ctx context.Context, host string, out *history.Recorder) error {
	db, err := s.bed.DB(host)
	if err != nil {
		return err
	}
	rows, err := db.QueryContext(ctx, "SELECT client, seq FROM app.rows ORDER BY client, seq")
	if err != nil {
		return fmt.Errorf("read rows of %s: %w", host, err)
	}
	defer rows.Close()
	byClient := map[string][]uint64{}
	for rows.Next() {
		var client string
		var seq uint64
		if err := rows.Scan(&client, &seq); err != nil {
			return fmt.Errorf("read rows of %s: %w", host, err)
		}
		byClient[client] = append(byClient[client], seq)
	}
	for client, ids := range byClient {
		out.Rows(history.Rows{Host: host, Client: client, IDs: ids})
	}
	return rows.Err()
}

// commits records the binlog of a server.
func (s *site) commits(ctx context.Context, host string, out *history.Recorder) error {
	text, err := s.bed.Exec(ctx, host, decodeBinlog(filepath.Join(s.bed.Dir(host), "data"))...)
	if err != nil {
		return fmt.Errorf("decode binlog of %s: %w: %s", host, err, text[max(0, len(text)-200):])
	}
	for rest := text; ; {
		i := bytes.Index(rest, []byte("ERROR: "))
		if i < 0 {
			break
		}
		line, _, _ := strings.Cut(string(rest[i:]), "\n")
		if rest = rest[i+1:]; !strings.Contains(line, tornEnd) && !strings.Contains(line, "Could not read entry") {
			return fmt.Errorf("decode binlog of %s: %s", host, line)
		}
	}
	return parseBinlog(host, bytes.NewReader(text), out.Commit)
}
