package router

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// front holds the certificate that clients are shown. It is read anew when its
// files change; one that is broken leaves the last whole one in place.
type front struct {
	log *slog.Logger
	now atomic.Pointer[tls.Config]

	mu    sync.Mutex
	files FrontTLS
	seen  [3]fileStamp
	told  time.Time // when it was last said that the certificate ends
}

// fileStamp tells one content of a file from another without reading it.
type fileStamp struct {
	changed time.Time
	size    int64
}

// watchEvery is how soon new certificates are found without a SIGHUP.
const watchEvery = 5 * time.Second

// newFront reads the files; without a certificate there is no TLS.
func newFront(files FrontTLS, log *slog.Logger) (*front, error) {
	f := &front{log: log, files: files, seen: files.stamps()}
	conf, err := files.load()
	if err != nil {
		return nil, err
	}
	f.now.Store(conf)
	return f, nil
}

// config is the newest; nil without a certificate.
func (f *front) config() *tls.Config { return f.now.Load() }

// use changes to other files. The error says why nothing was changed.
func (f *front) use(files FrontTLS) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	stamps := files.stamps() // before reading: a change meanwhile is seen by the next look
	if files == f.files && stamps == f.seen {
		return nil
	}
	conf, err := files.load()
	f.seen = stamps // broken ones are not said again at each look
	if err != nil {
		return err
	}
	f.files = files
	f.now.Store(conf)
	if conf != nil {
		f.log.Info("a new certificate is shown to clients", "subject", leafOf(conf).Subject.String(), "until", leafOf(conf).NotAfter)
	}
	return nil
}

// watch looks at the files until ctx ends.
func (f *front) watch(ctx context.Context) error {
	f.life(time.Now())
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			f.look()
			f.life(now)
		}
	}
}

func (f *front) look() {
	f.mu.Lock()
	files := f.files
	f.mu.Unlock()
	if err := f.use(files); err != nil {
		f.log.Error("the new certificate was not taken: clients are shown the one before", "err", err)
	}
}

// lifeEvery is how often it is said that the certificate ends.
const lifeEvery = 6 * time.Hour

// life says that the certificate ends soon, or has ended.
func (f *front) life(now time.Time) {
	end := f.expires()
	if end.IsZero() || !f.told.IsZero() && now.Sub(f.told) < lifeEvery {
		return
	}
	why := lifeOf(end, now)
	switch {
	case why == "":
		return
	case end.Before(now):
		f.log.Error("TLS of clients is in danger", "why", why)
	default:
		f.log.Warn("TLS of clients is in danger", "why", why)
	}
	f.told = now
}

func leafOf(conf *tls.Config) *x509.Certificate { return conf.Certificates[0].Leaf }

func (t FrontTLS) stamps() [3]fileStamp {
	var s [3]fileStamp
	for i, path := range []string{t.Cert, t.Key, t.CA} {
		if info, err := os.Stat(path); err == nil {
			s[i] = fileStamp{info.ModTime(), info.Size()}
		}
	}
	return s
}

// load reads the files; nil without a certificate.
func (t FrontTLS) load() (*tls.Config, error) {
	if t.Cert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("read `tls.cert` and `tls.key`: %w", err)
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if t.MinVersion == "1.3" {
		conf.MinVersion = tls.VersionTLS13
	}
	if t.CA == "" {
		return conf, nil
	}
	pem, err := os.ReadFile(t.CA)
	if err != nil {
		return nil, fmt.Errorf("read `tls.ca`: %w", err)
	}
	conf.ClientCAs = x509.NewCertPool()
	if !conf.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("`tls.ca`: %s holds no certificate", t.CA)
	}
	conf.ClientAuth = tls.VerifyClientCertIfGiven
	return conf, nil
}
