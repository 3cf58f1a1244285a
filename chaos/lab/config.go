package lab

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

// The files that the agents, etcd members and mmmctl of a bed read.

var agentYAML = template.Must(template.New("agent.yaml").Parse(`host: {{.Name}}
cluster: {{.Cluster}}{{if .Router}}
role: router{{end}}
etcd: {endpoints: [{{.Endpoints}}], {{with .TLS}}{{.}}{{else}}insecure: true{{end}}}{{with .TLS}}
peer: {{"{"}}{{.}}{{"}"}}{{end}}
mysql: {socket: {{.Dir}}/mysqld.sock, user: {{.User}}, passwordFile: {{.Dir}}/agent.pw, replicationPasswordFile: {{.Dir}}/repl.pw, datadir: {{.Dir}}/data, defaultsFile: {{.Dir}}/my.cnf}
service:
  stop: [sh, -c, "echo stop mysqld > {{.Dir}}/service; while kill -0 $(cat {{.Dir}}/mysqld.pid) 2>/dev/null; do sleep 0.05; done"]
  start: [sh, -c, "echo start mysqld > {{.Dir}}/service"]
state: {{.Dir}}/state
run: {{.Dir}}/run
`))

var etcdYAML = template.Must(template.New("etcd.yaml").Parse(`name: {{.Name}}
dataDir: {{.Dir}}/etcd
clientURL: {{.Client}}
peerURL: {{.Peer}}
initialCluster: {{"{"}}{{.Initial}}{{"}"}}
join: false
profile: {{.Profile}}
{{with .TLS}}clientTLS: {{"{"}}{{.}}{{"}"}}
peerTLS: {{"{"}}{{.}}{{"}"}}{{else}}insecure: true{{end}}
`))

var clusterYAML = template.Must(template.New("cluster.yaml").Parse(`apiVersion: mmm/v1
cluster: {{.Cluster}}
defaults: {port: {{.Port}}, replicationPort: {{.ReplicationPort}}, interface: {{.Interface}}}
hosts:
{{- range .Hosts}}{{if .Database}}
  - {name: {{.Name}}, address: {{.Address}}, mode: {{.Mode}}{{if .Priority}}, priority: {{.Priority}}{{end}}}
{{- end}}{{end}}
roles:
  writer: {mode: exclusive, vips: [{{.Writers}}]}
  reader: {mode: balanced, vips: [{{.Readers}}]}
timing: {profile: {{.Profile}}}
durability: lossless
recovery: {autoSetOnline: {{.AutoSetOnline}}, flapCount: 3, flapDuration: 1h}
checks: {backlogMax: 10s, backlogFor: 3, threadsFor: 2}
mysql: {replicationUser: {{.Repl}}}
{{- if .Routers}}
routers:
  hosts:
{{- range .Hosts}}{{if .Router}}
    - {name: {{.Name}}, address: {{.Address}}}
{{- end}}{{end}}
  vips: [{{.Routers}}]
{{- end}}
`))

var routerYAML = template.Must(template.New("mmmrouter.yaml").Parse(`cluster: {{.Cluster}}
name: {{.Name}}
etcd: {endpoints: [{{.Endpoints}}], {{with .TLS}}{{.}}{{else}}insecure: true{{end}}}
listeners: [{address: "0.0.0.0:{{.Port}}", mode: split, tls: off}]
admin: 127.0.0.1:9990
backend: {tls: off}
users: {file: {{.Dir}}/users.yaml}
`))

// ClusterFile is the path of the cluster file that the bed applies.
func (b *Bed) ClusterFile() string { return filepath.Join(b.options.Work, "cluster.yaml") }

// Endpoints are the client URLs of the etcd members, those of the host first if
// it has one, else the last member first: it is never a writer by preference.
func (b *Bed) Endpoints(host string) []string {
	var own, others []string
	for _, m := range b.machines {
		if !m.Etcd {
			continue
		}
		url := b.urlOf(m.Address, etcdClientPort)
		if m.Name == host {
			own = append(own, url)
		} else {
			others = append(others, url)
		}
	}
	if len(own) == 0 && len(others) > 0 {
		last := len(others) - 1
		return append([]string{others[last]}, others[:last]...)
	}
	return append(own, others...)
}

func (b *Bed) urlOf(a netip.Addr, port int) string {
	scheme := "http"
	if b.options.TLS {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%v:%d", scheme, a, port)
}

func (b *Bed) writeClusterFile() error {
	o := b.options
	return render(b.ClusterFile(), clusterYAML, map[string]any{
		"Cluster": o.Cluster, "Hosts": o.Hosts, "Profile": o.Profile, "AutoSetOnline": o.AutoSetOnline,
		"Port": ClientPort, "ReplicationPort": ReplicationPort, "Interface": hostLink,
		"Routers": b.routerVIPs(),
		"Writers": join(o.WriterVIPs), "Readers": join(o.ReaderVIPs), "Repl": ReplicationUser,
	})
}

// routerVIPs is the list for the cluster file; empty: the bed has no routers.
func (b *Bed) routerVIPs() string {
	if !slices.ContainsFunc(b.options.Hosts, func(h Host) bool { return h.Router }) {
		return ""
	}
	return join(b.options.RouterVIPs)
}

// writeRouterFiles writes what mmmrouter reads.
func (b *Bed) writeRouterFiles(m *machine) error {
	users := fmt.Sprintf("users:\n  - {user: %s, password: %q}\n", AppUser, AppPassword)
	if err := os.WriteFile(filepath.Join(m.dir, "users.yaml"), []byte(users), 0o600); err != nil {
		return fmt.Errorf("write users of %s: %w", m.Name, err)
	}
	return render(filepath.Join(m.dir, "mmmrouter.yaml"), routerYAML, map[string]any{
		"Name": m.Name, "Cluster": b.options.Cluster, "Dir": m.dir, "Port": ClientPort, "Endpoints": b.quotedEndpoints(m), "TLS": b.trio(m),
	})
}

func (b *Bed) quotedEndpoints(m *machine) string {
	var endpoints []string
	for _, e := range b.Endpoints(m.Name) {
		endpoints = append(endpoints, fmt.Sprintf("%q", e))
	}
	return strings.Join(endpoints, ", ")
}

func (b *Bed) writeAgentFiles(m *machine) error {
	for name, password := range map[string]string{"agent.pw": AgentPassword, "repl.pw": ReplicationPassword} {
		if err := os.WriteFile(filepath.Join(m.dir, name), []byte(password+"\n"), 0o600); err != nil {
			return fmt.Errorf("write password of %s: %w", m.Name, err)
		}
	}
	for _, name := range []string{"state", "run"} {
		if err := os.MkdirAll(filepath.Join(m.dir, name), 0o700); err != nil {
			return fmt.Errorf("make directory of %s: %w", m.Name, err)
		}
	}
	return render(filepath.Join(m.dir, "agent.yaml"), agentYAML, map[string]any{
		"Name": m.Name, "Cluster": b.options.Cluster, "Dir": m.dir, "User": AgentUser,
		"Endpoints": b.quotedEndpoints(m), "TLS": b.trio(m), "Router": m.Router,
	})
}

func (b *Bed) writeEtcdFile(m *machine) error {
	var initial []string
	for _, other := range b.machines {
		if other.Etcd {
			initial = append(initial, fmt.Sprintf("%s: %q", other.Name, b.urlOf(other.Address, etcdPeerPort)))
		}
	}
	return render(filepath.Join(m.dir, "etcd.yaml"), etcdYAML, map[string]any{
		"Name": m.Name, "Dir": m.dir, "Profile": b.options.Profile, "Initial": strings.Join(initial, ", "),
		"Client": b.urlOf(m.Address, etcdClientPort), "Peer": b.urlOf(m.Address, etcdPeerPort), "TLS": b.trio(m),
	})
}

// render writes a file from a template.
func render(path string, t *template.Template, data any) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	defer f.Close()
	if err := t.Execute(f, data); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return f.Close()
}

func join(addrs []netip.Addr) string {
	var s []string
	for _, a := range addrs {
		s = append(s, a.String())
	}
	return strings.Join(s, ", ")
}
