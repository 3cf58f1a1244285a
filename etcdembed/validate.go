package etcdembed

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// mistake is one thing that is wrong with Options. Field is the name that the
// configuration file uses; Text ends in what to write instead.
type mistake struct{ Field, Text string }

func (m mistake) Error() string { return m.Field + ": " + m.Text }

// Place is the path of the field in the file.
func (m mistake) Place() string { return m.Field }

// Validate returns nil, or every mistake as one sentence a line, each with its
// fix. It looks at nothing but the options: no file, no network.
func (o Options) Validate() error {
	o = o.withDefaults()
	var found []error
	for _, m := range slices.Concat(o.checkIdentity(), o.checkURLs(), o.checkCluster(), o.checkTiming(), o.checkSizes()) {
		found = append(found, m)
	}
	return errors.Join(found...)
}

func (o Options) checkIdentity() (found []mistake) {
	if o.Name == "" {
		found = append(found, mistake{"name", "is missing: give this member a name of its own, best the host's (name: db1)"})
	}
	if strings.ContainsAny(o.Name, "=, \t\n") {
		found = append(found, mistake{"name", fmt.Sprintf("%q holds a space, a comma or an equals sign: use letters, digits and dashes", o.Name)})
	}
	if !filepath.IsAbs(o.DataDir) {
		found = append(found, mistake{"dataDir", fmt.Sprintf("%q is not an absolute path: write one such as /var/lib/mmm/etcd", o.DataDir)})
	}
	return found
}

func (o Options) checkURLs() (found []mistake) {
	found = append(found, o.checkListener("clientURL", o.ClientURL, "clientTLS", o.ClientTLS)...)
	found = append(found, o.checkListener("peerURL", o.PeerURL, "peerTLS", o.PeerTLS)...)
	if o.ClientURL != "" && hostPort(o.ClientURL) == hostPort(o.PeerURL) {
		found = append(found, mistake{"peerURL", fmt.Sprintf("is the same address as clientURL (%s): give each a port of its own, 2379 for clients and 2380 for peers", hostPort(o.PeerURL))})
	}
	return found
}

// checkListener judges one URL that this member listens on.
func (o Options) checkListener(field, raw, tlsField string, files TLSFiles) []mistake {
	say := func(format string, args ...any) []mistake {
		return []mistake{{field, fmt.Sprintf(format, args...)}}
	}
	if raw == "" {
		return say("is missing: write the address that this member listens on, such as http://192.0.2.161:2379")
	}
	u, text := parseURL(raw)
	if text != "" {
		return say("%s", text)
	}
	loopback := u.Hostname() == "localhost"
	if !loopback {
		addr, err := netip.ParseAddr(u.Hostname())
		switch {
		case err != nil:
			return say("%q is a host name, and a listener needs an address: write the IP address of this host", u.Hostname())
		case addr.IsUnspecified():
			return say("%s means every address, but others dial exactly what stands here: write the one IP address that they shall use", addr)
		}
		loopback = addr.IsLoopback()
	}
	switch {
	case u.Scheme == "http" && files != (TLSFiles{}):
		return say("is http, so the files under %s would be ignored: write https, or take %s out", tlsField, tlsField)
	case u.Scheme == "http" && !loopback && !o.Insecure:
		return say("%s is plain http on a network, where everybody who reaches it can move the writer: write https and give %s, or accept it with `insecure: true`", raw, tlsField)
	case u.Scheme == "https" && (files.Cert == "" || files.Key == "" || files.CA == ""):
		return say("is https, which needs three files: give %s: {cert: FILE, key: FILE, ca: FILE}", tlsField)
	}
	return nil
}

func (o Options) checkCluster() (found []mistake) {
	say := func(format string, args ...any) {
		found = append(found, mistake{"initialCluster", fmt.Sprintf(format, args...)})
	}
	usedBy := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(o.InitialCluster)) {
		raw := o.InitialCluster[name]
		u, text := parseURL(raw)
		switch {
		case text != "":
			say("%s: %s", name, text)
		case usedBy[raw] != "":
			say("%s and %s have the same peer URL %s: each member needs its own", usedBy[raw], name, raw)
		case o.PeerURL != "" && u.Scheme != schemeOf(o.PeerURL):
			say("%s is %s while peerURL is %s: all members must use the same", name, u.Scheme, schemeOf(o.PeerURL))
		}
		usedBy[raw] = name
	}
	mine, listed := o.InitialCluster[o.Name]
	switch {
	case listed && mine != o.PeerURL:
		say("has %s for this member %s, but peerURL is %s: make both the same", mine, o.Name, o.PeerURL)
	case o.Join && len(o.others()) == 0:
		say("names no other member, so there is nothing to join: name at least one that is running, or take `join: true` out")
	case !o.Join && !listed:
		say("does not name this member: add %q: %q, or set `join: true` to join the members that it names", o.Name, o.PeerURL)
	}
	return found
}

func (o Options) checkTiming() []mistake {
	switch {
	case o.Heartbeat == 0 || o.Election == 0:
		return []mistake{{"heartbeat", "and election belong together: give both, or neither and a profile"}}
	case o.Heartbeat < heartbeatMin:
		return []mistake{{"heartbeat", fmt.Sprintf("%v is too short: use at least %v", o.Heartbeat, heartbeatMin)}}
	case o.Election < 5*o.Heartbeat:
		return []mistake{{"election", fmt.Sprintf("%v is less than 5 heartbeats of %v: use %v or more, best 10 heartbeats", o.Election, o.Heartbeat, 5*o.Heartbeat)}}
	case o.Election > electionMax:
		return []mistake{{"election", fmt.Sprintf("%v is too long: use at most %v", o.Election, electionMax)}}
	}
	return nil
}

func (o Options) checkSizes() (found []mistake) {
	if o.QuotaBytes < 64<<20 {
		found = append(found, mistake{"quotaBytes", fmt.Sprintf("%d is too small: use at least %d (64 MiB), or leave it out", o.QuotaBytes, 64<<20)})
	}
	if o.KeepRevisions < 1000 {
		found = append(found, mistake{"keepRevisions", fmt.Sprintf("%d is too few: use at least 1000, or leave it out", o.KeepRevisions)})
	}
	return found
}

// parseURL returns a URL of the form scheme://host:port, or a sentence.
func parseURL(raw string) (*url.URL, string) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Sprintf("%q is not a URL with http or https: write one such as http://192.0.2.161:2380", raw)
	}
	if host, port, err := net.SplitHostPort(u.Host); err != nil || host == "" || port == "" || port == "0" {
		return nil, fmt.Sprintf("%q lacks a host or a port: write one such as %s://192.0.2.161:2380", raw, u.Scheme)
	}
	if u.Path != "" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Sprintf("%q has more than a host and a port: end it after the port", raw)
	}
	return u, ""
}

func hostPort(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Host
}

func schemeOf(raw string) string {
	scheme, _, _ := strings.Cut(raw, "://")
	return scheme
}
