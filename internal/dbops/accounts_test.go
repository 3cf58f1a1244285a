package dbops_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/dbops/dbopstest"
)

func TestAccountsAreReadByAnAccountThatMayDoNothingElse(t *testing.T) {
	s := dbopstest.Start(t)
	grants, err := dbops.RouterGrantStatements("mmm_router", "127.0.0.%", "router's secret", false)
	must(t, err)
	s.Exec(append(grants, "CREATE USER joe@'192.0.2.%' IDENTIFIED BY 'secret' REQUIRE SSL")...)
	if got := s.Query("SHOW GRANTS FOR mmm_router@'127.0.0.%'"); !strings.HasPrefix(got, "GRANT USAGE ON *.*") {
		t.Errorf("it has global privileges: %s", got)
	}
	rows := map[string]string{}
	from := dbops.AccountServer{
		Address: netip.AddrPortFrom(loopback, s.Port),
		User:    "mmm_router", Password: "router's secret",
	}
	must(t, dbops.ReadAccounts(patiently(t), from, func(user, host, privileges string) { rows[user+"@"+host] = privileges }))
	for _, want := range []string{`"plugin":"mysql_native_password"`, `"authentication_string":"*14E65567ABDB5135D0CFD9A70B3032C179A49EE7"`, `"ssl_type":1`} {
		if got := rows["joe@192.0.2.%"]; !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
}

func TestGrantsForARouterAreForOneTableOnly(t *testing.T) {
	for mysql, want := range map[bool]string{
		false: "GRANT SELECT ON mysql.global_priv TO 'r'@'%'",
		true:  "GRANT SELECT ON mysql.user TO 'r'@'%'",
	} {
		got, err := dbops.RouterGrantStatements("r", "%", "p", mysql)
		must(t, err)
		if len(got) != 2 || got[1] != want {
			t.Errorf("%q, want %q last", got, want)
		}
	}
	for _, bad := range [][3]string{{"", "%", "p"}, {"r", "", "p"}, {"r", "%", ""}, {"r;", "%", "p"}, {"r", "%", "p\\"}} {
		if got, err := dbops.RouterGrantStatements(bad[0], bad[1], bad[2], false); err == nil {
			t.Errorf("%q gives %q", bad, got)
		}
	}
}
