package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/load"
)

const (
	// warmsUp lets the client have rows behind it before the first fault.
	warmsUp = 100
	// secondsLater is when an operator would first look.
	secondsLater = 1500 * time.Millisecond
)

func (s *story) start(ctx context.Context) error {
	s.heading("1. Four servers, two routers, no monitor: db1 is the writer")
	s.text("Replication db1 -> db2, db3, db4. An agent beside each mysqld and each router, etcd on db1,\n" +
		"db2 and db3. From now to the end an application knows one address, the router VIP\n" +
		s.router + ": it inserts a row every 10 ms, and four more connections of it read. Four clients\n" +
		"that know nothing of routers read through the reader VIPs.")
	if err := s.awaitWrite(ctx, time.Now()); err != nil {
		return err
	}
	for s.app.journal.Count(load.Acked) < warmsUp {
		if err := pause(ctx, lookAgain); err != nil {
			return err
		}
	}
	holder, err := s.routerHolder(ctx)
	if err != nil {
		return err
	}
	return s.see(ctx, s.states(nil), s.writerIs("db1"), s.readersOn("db1", "db2", "db3", "db4"), s.follow("db1", "db2", "db3", "db4"),
		s.routerIs(holder), s.splits("db1", "db2", "db3", "db4"))
}

func (s *story) crash(ctx context.Context) error {
	s.heading("2. mysqld of the writer dies")
	began := time.Now()
	s.act("kill -9 of mysqld on db1")
	if err := s.bed.KillMysqld(ctx, "db1", false); err != nil {
		return err
	}
	if err := s.awaitWrite(ctx, time.Now()); err != nil {
		return err
	}
	if err := s.secondsAfter(ctx, began); err != nil {
		return err
	}
	if err := s.see(ctx, s.states(map[string]string{"db1": "HARD_OFFLINE"}), s.writerIs("db2"), s.idle("db1"),
		s.readersOn("db2", "db3", "db4"), s.follow("db2", "db3", "db4"), s.splits("db2", "db3", "db4")); err != nil {
		return err
	}
	if err := s.heldNotRefused(s.tellSince("kill -9 of the writer", began)); err != nil {
		return err
	}
	s.text("What was decided, by whom and why:")
	return s.events(ctx, began)
}

// heldNotRefused says that routers let what they had not sent yet wait for the next
// writer, if that was so: only the insert that was on its way then may be in doubt.
func (s *story) heldNotRefused(saw seen) error {
	const says = "no insert was refused: the routers let them wait for the next writer"
	refused := saw.kinds[kindOf(load.Refused, "", "insert")] + saw.kinds[kindOf(load.Refused, "connect:", "insert")]
	if refused > 0 || saw.unsure() > 1 {
		s.bad(says, saw.String())
		return fmt.Errorf("%w: inserts were refused", ErrUntrue)
	}
	s.good(says)
	return nil
}

// seenByNobody says that a planned move cost the application no error, if that was so.
func (s *story) seenByNobody(saw seen) error {
	const says = "the move cost the application no error: the writer stopped only when the routers held back what was to come"
	if saw.errors() > 0 {
		s.bad(says, saw.String())
		return fmt.Errorf("%w: a planned move was seen by the application", ErrUntrue)
	}
	s.good(says)
	return nil
}

// secondsAfter lets an operator's first look be where it would be.
func (s *story) secondsAfter(ctx context.Context, began time.Time) error {
	if err := pause(ctx, secondsLater-time.Since(began)); err != nil {
		return err
	}
	s.text(fmt.Sprintf("%.1f seconds later:", time.Since(began).Seconds()))
	return nil
}

func (s *story) comeback(ctx context.Context) error {
	s.heading("3. The old writer comes back, as a replica")
	began := time.Now()
	s.act("start of mysqld on db1")
	if err := s.bed.StartMysqld(ctx, "db1"); err != nil {
		return err
	}
	if err := s.awaitsRecovery(ctx, "db1"); err != nil {
		return err
	}
	s.text(fmt.Sprintf("\nNobody does anything: autoSetOnline is %v here (60 s by default).", AutoSetOnline))
	if err := s.see(ctx, s.states(nil), s.writerIs("db2"), s.readersOn("db1", "db2", "db3", "db4"), s.follow("db2", "db1", "db3", "db4")); err != nil {
		return err
	}
	s.tellSince("return of db1", began)
	return nil
}

// awaitsRecovery waits until a host is AWAITING_RECOVERY, and shows the status with its reason.
func (s *story) awaitsRecovery(ctx context.Context, host string) error {
	if err := s.see(ctx, s.states(map[string]string{host: "AWAITING_RECOVERY"}), s.idle(host)); err != nil {
		return err
	}
	s.text("Why, and what to do, says status:")
	out, err := s.ctl(ctx, "status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) > 3 && f[0] == host && strings.Contains(line, "set-online "+host) {
			s.good("status says why " + host + " waits and which command ends it")
			return nil
		}
	}
	s.bad("status says why "+host+" waits and which command ends it", "the above")
	return fmt.Errorf("%w: the reason of AWAITING_RECOVERY", ErrUntrue)
}

func (s *story) stop(ctx context.Context) error {
	s.heading("4. The new writer is shut down, and comes back")
	began := time.Now()
	s.act("orderly shutdown of mysqld on db2 (SIGTERM)")
	if err := s.bed.StopMysqld(ctx, "db2"); err != nil {
		return err
	}
	if err := s.awaitWrite(ctx, time.Now()); err != nil {
		return err
	}
	if err := s.secondsAfter(ctx, began); err != nil {
		return err
	}
	if err := s.see(ctx, s.states(map[string]string{"db2": "HARD_OFFLINE"}), s.writerIs("db1"), s.idle("db2"),
		s.readersOn("db1", "db3", "db4"), s.follow("db1", "db3", "db4"), s.splits("db1", "db3", "db4")); err != nil {
		return err
	}
	if err := s.heldNotRefused(s.tellSince("shutdown of the writer", began)); err != nil {
		return err
	}
	s.print("")
	s.act("start of mysqld on db2; this time the operator does not wait")
	if err := s.bed.StartMysqld(ctx, "db2"); err != nil {
		return err
	}
	if err := s.awaitsRecovery(ctx, "db2"); err != nil {
		return err
	}
	if _, err := s.ctl(ctx, "set-online", "db2"); err != nil {
		return err
	}
	return s.see(ctx, s.states(nil), s.writerIs("db1"), s.readersOn("db1", "db2", "db3", "db4"), s.follow("db1", "db2", "db3", "db4"))
}

func (s *story) planned(ctx context.Context) error {
	s.heading("5. A planned switchover")
	began := time.Now()
	if _, err := s.ctl(ctx, "switchover", "--to", "db2", "--yes", "--reason", "kernel update on db1"); err != nil {
		return err
	}
	if err := s.awaitWrite(ctx, time.Now()); err != nil {
		return err
	}
	if err := s.see(ctx, s.states(nil), s.writerIs("db2"), s.readersOn("db1", "db2", "db3", "db4"), s.follow("db2", "db1", "db3", "db4"),
		s.splits("db2", "db1", "db3", "db4")); err != nil {
		return err
	}
	return s.seenByNobody(s.tellSince("switchover", began))
}

func (s *story) routerDies(ctx context.Context) error {
	s.heading("6. A router dies")
	from, err := s.routerHolder(ctx)
	if err != nil {
		return err
	}
	to := s.routers[0]
	if to == from {
		to = s.routers[1]
	}
	began := time.Now()
	s.act("kill -9 of mmmrouter on %s, which has the router VIP", from)
	if err := s.bed.KillRouter(ctx, from, false); err != nil {
		return err
	}
	if err := s.awaitWrite(ctx, time.Now()); err != nil {
		return err
	}
	if err := s.secondsAfter(ctx, began); err != nil {
		return err
	}
	if err := s.see(ctx, s.states(map[string]string{from: "HARD_OFFLINE"}), s.routerIs(to), s.splits("db2", "db1", "db3", "db4")); err != nil {
		return err
	}
	s.tellSince("kill -9 of a router", began)
	s.text("The application has to connect again, because its connections died with the router. The first\n" +
		"packet of a connect that falls into the move of the VIP is lost; its kernel repeats it after a second.")
	s.print("")
	began = time.Now()
	s.act("start of mmmrouter on %s", from)
	if err := s.bed.StartRouter(ctx, from); err != nil {
		return err
	}
	if err := s.see(ctx, s.states(nil), s.routerIs(to)); err != nil {
		return err
	}
	if err := s.secondsAfter(ctx, began); err != nil {
		return err
	}
	if _, err := s.ctl(ctx, "status"); err != nil {
		return err
	}
	s.tellSince("return of the router", began)
	return nil
}

// routerHolder waits until a router has the router VIP, and says which.
func (s *story) routerHolder(ctx context.Context) (string, error) {
	for end := time.Now().Add(comesTrue); ; {
		status, err := s.bed.Status(ctx)
		if err != nil {
			return "", fmt.Errorf("find the router VIP: %w", err)
		}
		for _, h := range status.Hosts {
			if slices.ContainsFunc(h.Addresses, func(a string) bool { return strings.HasPrefix(a, s.router+"/") }) {
				return h.Name, nil
			}
		}
		if time.Now().After(end) {
			s.bad("a router has the router VIP "+s.router, "nobody has it")
			return "", fmt.Errorf("%w: nobody has the router VIP", ErrUntrue)
		}
		if err := pause(ctx, lookAgain); err != nil {
			return "", err
		}
	}
}

func (s *story) oldHands(ctx context.Context) error {
	s.heading("7. For old hands: the same under the name mmm_control")
	if err := s.control(ctx, "OK: Pinged", "ping"); err != nil {
		return err
	}
	if err := s.control(ctx, "ACTIVE", "mode"); err != nil {
		return err
	}
	if err := s.control(ctx, "rep_backlog", "checks", "db3"); err != nil {
		return err
	}
	s.text("\nIn mode PASSIVE nothing moves by itself, and an operator may place a reader VIP:")
	if err := s.control(ctx, "OK:", "set_passive"); err != nil {
		return err
	}
	vip, host := s.misplaced(ctx)
	if err := s.control(ctx, "OK:", "set_ip", vip, host); err != nil {
		return err
	}
	if err := s.see(ctx, s.states(nil), s.writerIs("db2"), s.readerIs(vip, host)); err != nil {
		return err
	}
	if err := s.control(ctx, "OK:", "set_active"); err != nil {
		return err
	}
	if _, err := s.ctl(ctx, "unpin", vip); err != nil {
		return err
	}
	if err := s.see(ctx, s.readersOn("db1", "db2", "db3", "db4")); err != nil {
		return err
	}
	s.text("\nA host is taken out of service and comes back; the writer moves home:")
	if err := s.control(ctx, "OK:", "set_offline", "db4"); err != nil {
		return err
	}
	if err := s.see(ctx, s.states(map[string]string{"db4": "ADMIN_OFFLINE"}), s.idle("db4"), s.readersOn("db1", "db2", "db3")); err != nil {
		return err
	}
	if err := s.control(ctx, "OK:", "set_online", "db4"); err != nil {
		return err
	}
	if err := s.see(ctx, s.states(nil), s.readersOn("db1", "db2", "db3", "db4")); err != nil {
		return err
	}
	began := time.Now()
	if err := s.control(ctx, "OK:", "move_role", "writer", "db1"); err != nil {
		return err
	}
	if err := s.awaitWrite(ctx, time.Now()); err != nil {
		return err
	}
	if err := s.see(ctx, s.states(nil), s.writerIs("db1"), s.readersOn("db1", "db2", "db3", "db4"), s.follow("db1", "db2", "db3", "db4")); err != nil {
		return err
	}
	return s.seenByNobody(s.tellSince("move_role", began))
}

// misplaced chooses a reader VIP and a host that it is not on, away from the writer.
func (s *story) misplaced(ctx context.Context) (vip, host string) {
	vip, host = s.cast.readers[0], "db4"
	status, err := s.bed.Status(ctx)
	if err != nil {
		return vip, host // set_ip works for the present host as well
	}
	for _, h := range status.Hosts {
		if h.Name == host && strings.Contains(strings.Join(h.Addresses, " "), vip+"/") {
			return vip, "db3"
		}
	}
	return vip, host
}

// ending stops the clients and looks for every row on every server.
func (s *story) ending(ctx context.Context, c *clients) error {
	s.heading("8. The account")
	s.act("the application stops")
	if err := c.stop(); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := s.caughtUp(ctx, "db1"); err != nil {
		return err
	}
	report, err := s.count(ctx)
	if err != nil {
		return err
	}
	answered, longest := s.readers.total()
	s.text(fmt.Sprintf("Reads answered through the router VIP: %d. Through the reader VIPs: %d; longest time without\nan answer through one of them: %d ms.",
		s.app.answered(), answered, longest.Milliseconds()))
	s.text("Without an acknowledged write, and errors that the application saw:\n  " + strings.Join(s.gaps, ",\n  ") + ".")
	s.print("")
	s.print(s.paint(bold+green, fmt.Sprintf("   TRUE: %d writes were acknowledged; each is on db1, db2, db3 and db4 exactly once;", report.Acked)))
	s.print(s.paint(bold+green, "   no row is there that should not be; the checksums of all four are equal."))
	return nil
}

// caughtUp waits until each replica has applied what the writer has.
func (s *story) caughtUp(ctx context.Context, writer string) error {
	ctx, cancel := context.WithTimeout(ctx, comesTrue)
	defer cancel()
	db, err := s.bed.DB(writer)
	if err != nil {
		return err
	}
	var position string
	if err := db.QueryRowContext(ctx, "SELECT @@gtid_binlog_pos").Scan(&position); err != nil {
		return fmt.Errorf("read position of %s: %w", writer, err)
	}
	for _, h := range s.bed.Hosts() {
		if !h.Database() || h.Name == writer {
			continue
		}
		db, err := s.bed.DB(h.Name)
		if err != nil {
			return err
		}
		var late int
		if err := db.QueryRowContext(ctx, "SELECT MASTER_GTID_WAIT(?, ?)", position, comesTrue.Seconds()).Scan(&late); err != nil {
			return fmt.Errorf("wait for %s: %w", h.Name, err)
		}
		if late != 0 {
			s.bad("every replica reaches "+position, h.Name+" does not")
			return fmt.Errorf("%w: %s has not the writer's position", ErrUntrue, h.Name)
		}
	}
	s.good("all replicas have the writer's position, " + position)
	return nil
}

// minimumAcked is what a client at half its speed has by the end: with fewer
// rows the story proves little.
const minimumAcked = 1000

// count compares every server with what the client was told.
func (s *story) count(ctx context.Context) (load.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, comesTrue)
	defer cancel()
	var servers []load.Server
	table := "server       rows  checksum\n"
	for _, h := range s.bed.Hosts() {
		if !h.Database() {
			continue
		}
		db, err := s.bed.DB(h.Name)
		if err != nil {
			return load.Report{}, err
		}
		servers = append(servers, load.Server{Name: h.Name, DB: db})
		var rows int
		var name, sum string
		if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+lab.AppDatabase+".journal").Scan(&rows); err != nil {
			return load.Report{}, fmt.Errorf("count rows on %s: %w", h.Name, err)
		}
		if err := db.QueryRowContext(ctx, "CHECKSUM TABLE "+lab.AppDatabase+".journal").Scan(&name, &sum); err != nil {
			return load.Report{}, fmt.Errorf("sum up %s: %w", h.Name, err)
		}
		table += fmt.Sprintf("%-8s %8d  %s\n", h.Name, rows, sum)
	}
	s.text(table)
	report, err := load.Verify(ctx, "", []*load.Journal{s.app.journal}, servers)
	if err != nil {
		return report, err
	}
	says := "every acknowledged row is on every server exactly once, other rows only where no answer came, checksums equal"
	switch {
	case !report.OK():
		s.bad(says, report.String())
		return report, fmt.Errorf("%w: rows are missing or too many", ErrUntrue)
	case report.Acked < minimumAcked:
		s.bad("the client wrote enough to prove something", fmt.Sprintf("%d rows, %d are the least", report.Acked, minimumAcked))
		return report, fmt.Errorf("%w: too few writes", ErrUntrue)
	}
	s.text(fmt.Sprintf("The application sent %d inserts: %s.", report.Acked+report.Refused+report.Unknown, report))
	s.good(says)
	return report, nil
}
