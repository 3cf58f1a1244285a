package clients
import ("testing";"time")
func TestZZ(t *testing.T) {
	b := newBed(t)
	b.writer.Exec("CREATE TABLE seen.t (id INT PRIMARY KEY AUTO_INCREMENT, a INT)", "INSERT INTO seen.t (a) SELECT seq FROM seen.seq_1_to_100")
	b.caughtUp()
	for _, e := range endings {
		n := b.router.Status().Sessions.Connected
		for range 3 {
			k, err := b.greeted(user, password)
			if err == nil { err = e.do(k); k.Close() }
			if err != nil { t.Error(e.name, err) }
		}
		time.Sleep(300*time.Millisecond)
		if m := b.router.Status().Sessions.Connected; m != n { t.Log(e.name, n, m) }
	}
}
