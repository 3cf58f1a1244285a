package election

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// keyFile lies in the state directory, readable by its owner alone.
const keyFile = "peer-key"

// PrivateKey returns the key with which this host signs what it says to other
// hosts without etcd, from the state directory dir. A host without one makes it;
// created tells.
func PrivateKey(dir string) (key ed25519.PrivateKey, created bool, err error) {
	path := filepath.Join(dir, keyFile)
	data, err := readPlain(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = makeKey(path)
		return key, err == nil, err
	}
	if err != nil {
		return nil, false, fmt.Errorf("read the key of this host: %w", err)
	}
	seed, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(data)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, false, fmt.Errorf("read the key of this host: %s is damaged; remove it, and the host makes another one", path)
	}
	return ed25519.NewKeyFromSeed(seed), false, nil
}

func makeKey(path string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key for this host: %w", err)
	}
	// The draft is made by os.CreateTemp, which lets nobody but the owner read it.
	if err := createPlain(path, []byte(base64.StdEncoding.EncodeToString(key.Seed())+"\n")); err != nil {
		return nil, fmt.Errorf("make a key for this host: %w", err)
	}
	return key, nil
}
