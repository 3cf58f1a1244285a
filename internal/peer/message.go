package peer

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// The limits on one message and what goes with it.
const (
	mostBytes  = 4 << 10 // an ask has about 400
	nonceBytes = 16
	version    = 1

	signature = "Mmm-Signature" // header

	// What is signed begins with these words, so that no message can stand for one
	// of the other kind.
	askWords    = "mmm ask\n"
	answerWords = "mmm answer\n"
)

// ErrForged says that a message is not what it says: a wrong signature, a wrong
// nonce, the name of another host. It is worth nothing.
var ErrForged = errors.New("message is forged or of another round")

// ErrNoAnswer says that the host did not answer in time, or not as one of ours.
var ErrNoAnswer = errors.New("no answer")

// ask is the body of a question.
type ask struct {
	Version int             `json:"v"`
	Cluster string          `json:"cluster"` // id of the cluster
	From    topology.HostID `json:"from"`
	To      topology.HostID `json:"to"`
	Epoch   topology.Rev    `json:"epoch"` // of the asker's reign; 0: it serves reader VIPs only
	TTL     time.Duration   `json:"ttl"`   // for how long, in nanoseconds
	Nonce   string          `json:"nonce"`
	Stamp   string          `json:"stamp"`
}

// answer is the body of an answer. All but the last four fields repeat the ask.
type answer struct {
	Version  int             `json:"v"`
	Cluster  string          `json:"cluster"`
	From     topology.HostID `json:"from"` // who answers
	To       topology.HostID `json:"to"`   // who asked
	Epoch    topology.Rev    `json:"epoch"`
	TTL      time.Duration   `json:"ttl"`
	Nonce    string          `json:"nonce"`
	Promised bool            `json:"promised"`
	Why      string          `json:"why,omitempty"`   // it did not
	Stale    bool            `json:"stale,omitempty"` // only the stamp was too old: ask again with this one
	Stamp    string          `json:"stamp"`           // for the next ask
}

// to reports whether a is the answer of a host to that very ask.
func (a answer) to(q ask) bool {
	return a.Version == version && a.Cluster == q.Cluster && a.From == q.To && a.To == q.From &&
		a.Epoch == q.Epoch && a.TTL == q.TTL && a.Nonce == q.Nonce
}

// seal encodes a message and signs it.
func seal(key ed25519.PrivateKey, words string, message any) (body []byte, sig string, err error) {
	body, err = json.Marshal(message)
	if err != nil {
		return nil, "", fmt.Errorf("encode a message: %w", err)
	}
	return body, base64.StdEncoding.EncodeToString(ed25519.Sign(key, append([]byte(words), body...))), nil
}

// genuine reports whether the owner of the key signed the body.
func genuine(key ed25519.PublicKey, words string, body []byte, sig string) bool {
	raw, err := base64.StdEncoding.DecodeString(sig)
	return err == nil && len(key) == ed25519.PublicKeySize && ed25519.Verify(key, append([]byte(words), body...), raw)
}

// nonce is a number that nobody has seen before.
func nonce() string {
	var b [nonceBytes]byte
	_, _ = rand.Read(b[:]) // it never fails
	return base64.StdEncoding.EncodeToString(b[:])
}

// Public is the text by which others know the owner of a private key.
func Public(key ed25519.PrivateKey) string {
	pub, _ := key.Public().(ed25519.PublicKey)
	return base64.StdEncoding.EncodeToString(pub)
}

// publicKey reads what Public wrote.
func publicKey(text string) (ed25519.PublicKey, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%q is no public key", text)
	}
	return raw, nil
}
