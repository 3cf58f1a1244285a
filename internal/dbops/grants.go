package dbops

import (
	"errors"
	"fmt"
	"strings"
)

// GrantStatements are what an administrator runs once to make the two accounts,
// on the first writer (they replicate) or with sql_log_bin=0 on each host: the
// agent's, at localhost only, with exactly the privileges that the verbs need,
// and the one that replicas attach with. It needs User, Password,
// ReplicationUser and ReplicationPassword. An account that exists keeps its
// password and gets what privileges it lacks.
func (o Options) GrantStatements() ([]string, error) {
	if !isAccount(o.User) || !isAccount(o.ReplicationUser) {
		return nil, fmt.Errorf("write the grants: %q and %q must be names of accounts", o.User, o.ReplicationUser)
	}
	agent, err1 := account(o.User, "localhost", o.Password)
	replica, err2 := account(o.ReplicationUser, "%", o.ReplicationPassword)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("write the grants: %w", err)
	}
	d := &mariadb
	to := func(user, host string) string { return " TO '" + user + "'@'" + host + "'" }
	return []string{
		agent,
		"GRANT " + strings.Join(d.agentPrivileges, ", ") + " ON *.*" + to(o.User, "localhost"),
		"GRANT ALL PRIVILEGES ON mmm.*" + to(o.User, "localhost"),
		replica,
		"GRANT " + strings.Join(d.replicationPrivileges, ", ") + " ON *.*" + to(o.ReplicationUser, "%"),
	}, nil
}

func account(user, host, password string) (string, error) {
	name, err1 := quote(user)
	at, err2 := quote(host)
	secret, err3 := quote(password)
	return "CREATE USER IF NOT EXISTS " + name + "@" + at + " IDENTIFIED BY " + secret, errors.Join(err1, err2, err3)
}
