package vip

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childEnv marks the copy of the test binary that runs in its own namespaces.
const childEnv = "VIP_TEST_IN_NAMESPACE"

// inNamespaces runs the calling test in a copy of the test binary with network,
// mount and process namespaces of its own, and reports what came of it. Used as
//
//	if !inNamespaces(t) {
//		return
//	}
//
// Everything the copy makes vanishes with it, also when the test is killed.
func inNamespaces(t *testing.T) bool {
	t.Helper()
	if os.Getenv(childEnv) != "" {
		return true
	}
	if os.Geteuid() != 0 {
		lacking(t, "netns", "namespaces of its own need root")
	}
	for _, tool := range []string{"unshare", "ip"} {
		if _, err := exec.LookPath(tool); err != nil {
			lacking(t, "netns", err.Error())
		}
	}
	if out, err := exec.Command("unshare", "-mnp", "--fork", "true").CombinedOutput(); err != nil {
		lacking(t, "netns", fmt.Sprintf("unshare: %v: %s", err, out))
	}
	// The kernel kills the child with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command("unshare", "-mnp", "--fork", "--kill-child", "--mount-proc",
		os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("in its own namespaces: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("the test did not run in its own namespaces:\n%s", out)
	}
	return false
}

// lacking ends the test: skipped, or failed if MMM_REQUIRE names the need.
func lacking(t *testing.T, need, why string) {
	t.Helper()
	if slices.Contains(strings.FieldsFunc(os.Getenv("MMM_REQUIRE"), func(r rune) bool { return r == ',' || r == ' ' }), need) {
		t.Fatalf("MMM_REQUIRE names %q, which is lacking: %s", need, why)
	}
	t.Skipf("SKIPPED, %s is lacking: %s", need, why)
}

// sh runs a shell command and returns its output.
func sh(t *testing.T, script string) string {
	t.Helper()
	out, err := exec.Command("sh", "-ec", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v\n%s", script, err, out)
	}
	return string(out)
}

// wire makes this host's eth0 (192.0.2.1, 2001:db8::1) and a namespace "peer"
// whose eth0 (192.0.2.2, 2001:db8::2) is at the other end.
func wire(t *testing.T) {
	t.Helper()
	sh(t, `mount -t tmpfs tmpfs /run
mkdir /run/netns
ip netns add peer
ip link add eth0 type veth peer name eth0 netns peer
ip link set lo up
ip link set eth0 up
ip addr add 192.0.2.1/24 dev eth0
ip addr add 2001:db8::1/64 dev eth0 nodad
ip -n peer link set eth0 up
ip -n peer addr add 192.0.2.2/24 dev eth0
ip -n peer addr add 2001:db8::2/64 dev eth0 nodad`)
}

// eventually waits until ok says true, or fails after a bound that only a broken
// run reaches.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("still not so: %s", what)
}

// macOf returns the hardware address of eth0 as seen by ip, which is "ip" for
// this host or "ip -n peer".
func macOf(t *testing.T, ip string) string {
	t.Helper()
	_, after, _ := strings.Cut(sh(t, ip+" -o link show dev eth0"), "link/ether ")
	mac, _, _ := strings.Cut(after, " ")
	return mac
}
