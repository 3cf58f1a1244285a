package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"
)

// Explained is why a connection did not come about: a sentence with the way out.
type Explained struct {
	Text string
	err  error
}

// Error gives the sentence.
func (e *Explained) Error() string { return e.Text }

// Unwrap gives the cause.
func (e *Explained) Unwrap() error { return e.err }

func isExplained(err error) bool {
	var e *Explained
	return errors.As(err, &e)
}

// Explain puts the cause of a connection that did not come about in a sentence, as
// seen from the side that connected, of which the other is "it". It gives err
// itself when certificates have nothing to do with it. A nil Certs explains what
// happens to plain TCP.
func (c *Certs) Explain(err error) error {
	if err == nil || isExplained(err) {
		return err
	}
	for _, look := range []func(error) string{c.theirs, c.ours, c.mixed} {
		if text := look(err); text != "" {
			return &Explained{text, err}
		}
	}
	return err
}

// theirs explains what this side found wrong with the other's certificate.
func (c *Certs) theirs(err error) string {
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	switch {
	case c == nil:
	case errors.As(err, &authority) && c.files.CA == "":
		return fmt.Sprintf("its certificate was not signed by a CA that this machine trusts: name the file of its CA with %s", c.files.Names.CA)
	case errors.As(err, &authority):
		return fmt.Sprintf("its certificate was not signed by the CA in %s (%s): put the CA there that signed it", c.files.CA, c.files.Names.CA)
	case errors.As(err, &host):
		return fmt.Sprintf("its certificate is not for %s but for %s: make it one with this address in it (subjectAltName)", host.Host, namesOf(host.Certificate))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return c.age(invalid.Cert)
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return "its certificate is not for servers: make it one with extendedKeyUsage serverAuth"
	}
	return ""
}

// age explains a certificate of the other side, or its CA, outside its time.
func (c *Certs) age(cert *x509.Certificate) string {
	whose, there := "its certificate", "there"
	if cert.IsCA {
		whose, there = fmt.Sprintf("the CA in %s (%s)", c.files.CA, c.files.Names.CA), "on all hosts"
	}
	if time.Now().Before(cert.NotBefore) {
		return fmt.Sprintf("%s is valid only from %s on: set the clocks right", whose, day(cert.NotBefore))
	}
	return fmt.Sprintf("%s expired on %s: renew it %s", whose, day(cert.NotAfter), there)
}

// ours explains what the other side found wrong with this side's certificate. It
// tells only by a word, which comes when the connection seems to stand already.
func (c *Certs) ours(err error) string {
	_, alert, ok := strings.Cut(err.Error(), "remote error: tls: ")
	if !ok || c == nil {
		return ""
	}
	mine := fmt.Sprintf("our certificate in %s (%s)", c.files.Cert, c.files.Names.Cert)
	word := func(s string) bool { return strings.HasPrefix(alert, s) }
	switch {
	case c.files.Cert == "" && (word("certificate required") || word("bad certificate") || word("handshake failure")):
		return fmt.Sprintf("it wants to see a certificate: give %s and %s", c.files.Names.Cert, c.files.Names.Key)
	case word("unknown certificate authority"):
		return fmt.Sprintf("it does not trust the CA that signed %s: have one signed by the CA that it trusts", mine)
	case word("expired certificate"):
		return fmt.Sprintf("it says that %s has expired: %s", mine, c.renewed())
	case word("bad certificate"), word("unsupported certificate"), word("certificate unknown"):
		return fmt.Sprintf("it refuses %s: make one with extendedKeyUsage clientAuth, valid now, with this host's address or without any", mine)
	}
	return ""
}

// renewed says how to mend an own certificate that has expired.
func (c *Certs) renewed() string {
	pair, err := c.files.pair()
	switch {
	case err != nil:
		return err.Error()
	case pair.Leaf.NotAfter.Before(time.Now()):
		return fmt.Sprintf("renew it (it ended on %s); no restart is needed", day(pair.Leaf.NotAfter))
	default:
		return fmt.Sprintf("the file is valid until %s, so set the clocks right", day(pair.Leaf.NotAfter))
	}
}

// mixed explains one side that speaks TLS and one that does not.
func (c *Certs) mixed(err error) string {
	var header tls.RecordHeaderError
	text := err.Error()
	has := func(s string) bool { return strings.Contains(text, s) }
	switch {
	case c != nil && (errors.As(err, &header) || has("server gave HTTP response to HTTPS client")):
		return "it does not speak TLS: give it certificates, or write http:// here"
	case c == nil && has("HTTP request to an HTTPS server"):
		return "it speaks TLS: write https:// here, with certificates"
	case c == nil && has("error reading server preface"):
		return "it hangs up on plain http, as one does that speaks TLS: if so, write https:// here, with certificates"
	}
	return ""
}

// handshake explains one that the other side left without a word.
func (c *Certs) handshake(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return &Explained{"it hangs up when TLS begins, as one does that speaks none: if so, give it certificates, or write http:// here", err}
	}
	return err
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

func namesOf(cert *x509.Certificate) string {
	var names []string
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	names = append(names, cert.DNSNames...)
	if len(names) == 0 {
		return "no address at all"
	}
	return strings.Join(names, ", ")
}
