package auth

import "testing"

// As MariaDB 10.11 writes them.
func TestAccountsOfMariaDBAreRead(t *testing.T) {
	const hash = "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7"
	for _, c := range []struct {
		name, text string
		kinds      []methodKind
		closed     bool
		need       Need
		user       bool
	}{
		{"native", `{"access":0,"plugin":"mysql_native_password","authentication_string":"` + hash + `","password_last_changed":1795417353}`,
			[]methodKind{byDouble}, false, NeedNothing, true},
		{"nothing", `{"access":0,"plugin":"mysql_native_password","authentication_string":""}`, []methodKind{byNothing}, false, NeedNothing, true},
		{"as of an upgrade", `{}`, []methodKind{byNothing}, false, NeedNothing, true},
		{"root of Debian", `{"access":18446744073709551615,"plugin":"mysql_native_password","authentication_string":"invalid","auth_or":[{},{"plugin":"unix_socket"}]}`,
			[]methodKind{byOther, byOther}, false, NeedNothing, true},
		{"two ways", `{"plugin":"mysql_native_password","authentication_string":"` + hash + `","auth_or":[{"plugin":"ed25519","authentication_string":"ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY"},{}]}`,
			[]methodKind{byKey, byDouble}, false, NeedNothing, true},
		{"locked", `{"plugin":"mysql_native_password","authentication_string":"` + hash + `","account_locked":true}`, []methodKind{byDouble}, true, NeedNothing, true},
		{"expired", `{"plugin":"mysql_native_password","authentication_string":"` + hash + `","password_last_changed":0}`, []methodKind{byDouble}, true, NeedNothing, true},
		{"TLS", `{"plugin":"mysql_native_password","authentication_string":"` + hash + `","ssl_type":1}`, []methodKind{byDouble}, false, NeedTLS, true},
		{"issuer", `{"plugin":"mysql_native_password","authentication_string":"` + hash + `","ssl_type":3,"x509_issuer":"x"}`, []methodKind{byDouble}, false, NeedCertificate, true},
		{"PAM", `{"plugin":"pam","authentication_string":"mariadb"}`, []methodKind{byOther}, false, NeedNothing, true},
		{"old", `{"plugin":"mysql_old_password","authentication_string":"5d2e19393cc5ef67"}`, []methodKind{byOther}, false, NeedNothing, true},
		{"role", `{"access":0,"is_role":true}`, nil, false, NeedNothing, false},
	} {
		one, is, err := ParseAccount("u", "%", c.text)
		if err != nil || is != c.user || one.Closed != c.closed || one.Need != c.need || len(one.Methods) != len(c.kinds) {
			t.Errorf("%s: %+v, %t, %v", c.name, one, is, err)
			continue
		}
		for i, k := range c.kinds {
			if one.Methods[i].kind != k {
				t.Errorf("%s: method %d is %d, want %d", c.name, i, one.Methods[i].kind, k)
			}
		}
	}
	if _, _, err := ParseAccount("u", "%", "{"); err == nil {
		t.Error("half an object is an account")
	}
	if one, is, err := ParseAccount("u", "192.0.2.0/255.0.255.0", "{}"); err != nil || !is || one.Host.Matches(app) {
		t.Errorf("a host that is no pattern: %+v, %t, %v", one, is, err)
	}
}

// Of MySQL 9.7.
func TestHashOfMySQLIsChecked(t *testing.T) {
	m := storedMethod(CachingSHA2, mysqlHash)
	if m.kind != byCrypt || !m.isPassword("secret") || m.isPassword("secreu") || m.isPassword("") {
		t.Errorf("kind %d, right %t, wrong %t", m.kind, m.isPassword("secret"), m.isPassword("secreu"))
	}
}

const mysqlHash = "$A$00A$*qF\x16A?\x02dVNe&\x22\x0dY#M9J\x18tTEziZNsz8cUYBfAGCb8bY8PC2j6ItpBWmr1uh5qP9A"
