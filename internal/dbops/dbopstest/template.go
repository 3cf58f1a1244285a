package dbopstest

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// shortDir is a directory whose name leaves room for a socket: t.TempDir holds the
// test's name, and a socket's path may have 107 bytes.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mmmdb-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func freePort(t testing.TB) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// templateSettings must be the same when the datadir is made and when it is used.
var templateSettings = []string{
	"innodb-log-file-size=4M",
	"innodb-data-file-path=ibdata1:4M:autoextend",
	"innodb-autoextend-increment=1",
}

// template makes the datadir that all servers start from, or finds it made. Two
// test binaries may make it at once: the first to give it its name wins.
func template(t testing.TB) string {
	t.Helper()
	version, err := exec.Command("mariadbd", "--no-defaults", "--version").Output()
	if err != nil {
		t.Fatalf("ask mariadbd for its version: %v", err)
	}
	name := fmt.Sprintf("mmm-template-%d-%x", os.Geteuid(), crc32.ChecksumIEEE([]byte(string(version)+strings.Join(templateSettings, ""))))
	final := filepath.Join(os.TempDir(), name)
	if _, err := os.Stat(filepath.Join(final, "mysql")); err == nil {
		return final
	}
	half := shortDir(t)
	args := []string{
		"--no-defaults", "--datadir=" + half, "--skip-test-db", "--skip-name-resolve",
		"--auth-root-authentication-method=normal", "--tmpdir=" + shortDir(t), // temporary tables bear a pid, which is the same in many a namespace
	}
	for _, line := range templateSettings {
		args = append(args, "--"+line)
	}
	if os.Geteuid() == 0 {
		args = append(args, "--user=root")
	}
	if out, err := exec.Command("mariadb-install-db", args...).CombinedOutput(); err != nil {
		t.Fatalf("make the template of a datadir: %v\n%s", err, out)
	}
	if err := os.Rename(half, final); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	return final
}

func copyTree(from, to string) error {
	out, err := exec.Command("cp", "-r", "--reflink=auto", from, to).CombinedOutput()
	if err != nil {
		return fmt.Errorf("copy the template: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}
