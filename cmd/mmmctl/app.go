package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/mmm-ha/mmm/internal/ctl"
	"github.com/mmm-ha/mmm/internal/store"
)

// app is one invocation: its settings and, once it is needed, its connection.
type app struct {
	world
	flags    options
	fallback string // name of the cluster when nothing else tells it
	file     string
	reason   string
	yes      bool
	noWait   bool
	started  bool // the command line was understood
	closer   func() error
}

// cluster is an open connection to etcd about one cluster.
type cluster struct {
	store   ctl.Store
	members func(ctx context.Context) (ctl.Quorum, error)
	close   func() error
}

// opener prepares a connection. It does not talk to etcd yet.
type opener func(o options) (cluster, error)

// connect settles the options and makes what the commands work with.
func (a *app) connect(cmd *cobra.Command) (*ctl.Ctl, error) {
	var changed func(string) bool
	if cmd != nil {
		changed = cmd.Flags().Changed
	}
	if a.file == "" {
		a.file = first(a.getenv("MMM_CONFIG"), fileDefault)
	}
	o, err := settle(a.flags, a.file, changed, a.getenv)
	if err != nil {
		return nil, err
	}
	format, err := ctl.ParseFormat(o.Output)
	if err != nil {
		return nil, err
	}
	if o.Cluster = first(o.Cluster, a.fallback); o.Cluster == "" {
		return nil, usagef("which cluster? Name it with --cluster, MMM_CLUSTER or `cluster:` in %s", a.file)
	}
	con, err := a.open(o)
	if err != nil {
		return nil, err
	}
	a.closer = con.close
	c := &ctl.Ctl{
		Store: con.store, Out: a.out, Err: a.err, Cluster: o.Cluster, Who: a.who, Reason: a.reason, Format: format,
		Yes: a.yes, NoWait: a.noWait, Timeout: o.Timeout, Members: con.members,
	}
	if a.terminal {
		c.Confirm = func(question, word string) (bool, error) { return ask(a.in, a.err, question, word) }
	}
	return c, nil
}

// close ends the connection. At the end of the process nobody could do anything
// about an error.
func (a *app) close() {
	if a.closer != nil {
		_ = a.closer()
	}
}

// ask makes a person type a word, so that no stray Enter moves a writer.
func ask(in io.Reader, out io.Writer, question, word string) (bool, error) {
	fmt.Fprintf(out, "%s Type %s to confirm: ", question, word)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && err != io.EOF {
		return false, err
	}
	return strings.TrimSpace(line) == word, nil
}

// openEtcd is the opener for a real etcd.
func openEtcd(o options) (cluster, error) {
	by, err := o.certs()
	if err != nil {
		return cluster{}, err
	}
	client, err := store.Open(context.Background(), store.Options{Endpoints: o.Endpoints, Cluster: o.Cluster, TLS: by})
	if err != nil {
		return cluster{}, err
	}
	return cluster{
		store:   client,
		members: func(ctx context.Context) (ctl.Quorum, error) { return countMembers(ctx, client.Members()) },
		close:   client.Close,
	}, nil
}

// memberLimit is how long one etcd member may take to say that it lives.
const memberLimit = time.Second

// countMembers asks etcd for its members and each of them whether it lives.
func countMembers(ctx context.Context, clients []*clientv3.Client) (ctl.Quorum, error) {
	var q ctl.Quorum
	var err error
	for _, c := range clients {
		list, listErr := memberList(ctx, c)
		if listErr != nil {
			err = listErr
			continue
		}
		alive := make([]bool, len(list.Members))
		var group errgroup.Group
		for i, m := range list.Members {
			group.Go(func() error {
				alive[i] = answers(ctx, c, m.ClientURLs)
				return nil
			})
		}
		_ = group.Wait() // the functions return no errors
		q.Total = len(alive)
		for _, ok := range alive {
			if ok {
				q.Healthy++
			}
		}
		return q, nil
	}
	return q, err
}

func memberList(ctx context.Context, c *clientv3.Client) (*clientv3.MemberListResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, memberLimit)
	defer cancel()
	return c.MemberList(ctx)
}

// answers reports whether a member answers on one of its client URLs.
func answers(ctx context.Context, c *clientv3.Client, urls []string) bool {
	for _, u := range urls {
		if p, err := url.Parse(u); err != nil || p.Host == "" {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, memberLimit)
		_, err := c.Status(ctx, u)
		cancel()
		if err == nil {
			return true
		}
	}
	return false
}
