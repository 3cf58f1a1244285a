package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// With Options.Disks the datadir of each database host is an ext4 file system
// of its own, on a loop device over a file. It is mounted in the host's own
// mount namespace only, so it goes with the host, and the device with it.

const (
	// diskSize is sparse: only what is written takes memory.
	diskSize = 768 << 20
	// keptFree is what stays of a full disk: less than any file needs to grow.
	fillStep = 1 << 20
	filler   = "mmm-filler"
)

// Requests of ioctl(2) that x/sys does not name.
const (
	fsShutdown     = 0x8004587d // FS_IOC_SHUTDOWN
	withoutJournal = 2          // EXT4_GOING_FLAGS_NOLOGFLUSH
	fsFreeze       = 0xc0045877 // FIFREEZE
	fsThaw         = 0xc0045878 // FITHAW
)

func (m *machine) image() string   { return filepath.Join(m.dir, "disk.img") }
func (m *machine) datadir() string { return filepath.Join(m.dir, "data") }

// makeDisk makes the file of a host's disk, with an empty file system.
func (b *Bed) makeDisk(ctx context.Context, m *machine) error {
	f, err := os.Create(m.image())
	if err == nil {
		err = errors.Join(f.Truncate(diskSize), f.Close(), os.Mkdir(m.datadir(), 0o700))
	}
	if err != nil {
		return fmt.Errorf("make disk of %s: %w", m.Name, err)
	}
	// No reserve for root: a full disk is full for everybody.
	mkfs := exec.CommandContext(ctx, "mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1,nodiscard", m.image())
	if out, err := mkfs.CombinedOutput(); err != nil {
		return fmt.Errorf("make disk of %s: %w: %s", m.Name, err, out)
	}
	return nil
}

// mountDisk gives a host that was just switched on its disk. The device frees
// itself when nothing uses it any more, however that comes about.
func (b *Bed) mountDisk(ctx context.Context, m *machine) error {
	device, name, err := attachLoop(m.image())
	if err != nil {
		return fmt.Errorf("mount disk of %s: %w", m.Name, err)
	}
	defer device.Close()
	if out, err := b.Exec(ctx, m.Name, "mount", "-t", "ext4", "-o", "errors=remount-ro", "/dev/"+name, m.datadir()); err != nil {
		return fmt.Errorf("mount disk of %s: %w: %s", m.Name, err, out)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loop = name
	if err := os.Remove(filepath.Join(m.mounted(m.boot), "lost+found")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("mount disk of %s: %w", m.Name, err) // mysqld would take it for a database
	}
	return nil
}

// attachLoop makes a loop device over a file. It goes away with its last user.
func attachLoop(file string) (*os.File, string, error) {
	backing, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return nil, "", err
	}
	defer backing.Close()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, "", err
	}
	defer control.Close()
	const tries = 20 // somebody else may take the free device first
	for range tries {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, "", fmt.Errorf("find a free loop device: %w", err)
		}
		name := fmt.Sprintf("loop%d", n)
		device, err := os.OpenFile("/dev/"+name, os.O_RDWR, 0)
		if err != nil {
			return nil, "", err
		}
		config := unix.LoopConfig{Fd: uint32(backing.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		err = unix.IoctlLoopConfigure(int(device.Fd()), &config)
		if err == nil {
			return device, name, nil
		}
		_ = device.Close()
		if !errors.Is(err, unix.EBUSY) {
			return nil, "", fmt.Errorf("set up %s: %w", name, err)
		}
	}
	return nil, "", errors.New("every free loop device was taken by somebody else")
}

// awaitNoLoop waits until the device of a dead host has let go of its file: a
// second one over the same file would destroy it.
// Its caller holds the lock.
func (m *machine) awaitNoLoop() error {
	name := m.loop
	m.loop = ""
	if name == "" {
		return nil
	}
	for end := time.Now().Add(processEnds); ; time.Sleep(pollEvery) {
		text, err := os.ReadFile("/sys/block/" + name + "/loop/backing_file")
		// The device may serve somebody else by now.
		if errors.Is(err, os.ErrNotExist) || err == nil && !strings.Contains(string(text), m.image()) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("wait until the disk of %s is free: %s still has it", m.Name, name)
		}
	}
}

// onDisk runs f with the datadir of a host as a path that this process can use.
func (b *Bed) onDisk(host string, f func(m *machine, dir string) error) error {
	m, err := b.machine(host)
	if err != nil {
		return err
	}
	m.mu.Lock()
	boot, loop := m.boot, m.loop
	m.mu.Unlock()
	switch {
	case boot == nil:
		return fmt.Errorf("%s: %w", host, ErrDown)
	case loop == "":
		return fmt.Errorf("host %s has no disk of its own: make the bed with Options.Disks", host)
	}
	return f(m, m.mounted(boot))
}

// mounted is the datadir of a host as a path that this process can use.
func (m *machine) mounted(b *boot) string {
	return fmt.Sprintf("/proc/%d/root%s", b.pid, m.datadir())
}

// flushDisk makes what was written so far survive a loss of power.
func flushDisk(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}

// ioctl calls ioctl(2) on a directory.
func ioctl(dir string, request uint, argument int) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.IoctlSetPointerInt(int(f.Fd()), request, argument)
}

// FillDisk leaves no byte free on the disk of a host and sees that nothing can
// be written; EmptyDisk takes the filling away.
func (b *Bed) FillDisk(host string) error {
	return b.onDisk(host, func(_ *machine, dir string) error {
		f, err := os.OpenFile(filepath.Join(dir, filler), os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("fill disk of %s: %w", host, err)
		}
		defer f.Close()
		at := int64(0)
		for step := int64(fillStep * 64); step >= 4096; {
			if err := unix.Fallocate(int(f.Fd()), 0, at, step); errors.Is(err, unix.ENOSPC) {
				step /= 2
				continue
			} else if err != nil {
				return fmt.Errorf("fill disk of %s: %w", host, err)
			}
			at += step
		}
		return nil
	})
}

// EmptyDisk ends a FillDisk.
func (b *Bed) EmptyDisk(host string) error {
	return b.onDisk(host, func(_ *machine, dir string) error {
		if err := os.Remove(filepath.Join(dir, filler)); err != nil {
			return fmt.Errorf("empty disk of %s: %w", host, err)
		}
		return nil
	})
}

// StallDisk makes everything that writes to the disk of a host wait until
// ResumeDisk. Close and KillHost resume it. After a SIGKILL of the whole world
// in such a moment its processes cannot end; `echo j > /proc/sysrq-trigger`
// thaws every file system of the machine.
func (b *Bed) StallDisk(host string) error {
	return b.onDisk(host, func(_ *machine, dir string) error {
		if err := ioctl(dir, fsFreeze, 0); err != nil {
			return fmt.Errorf("stall disk of %s: %w", host, err)
		}
		return nil
	})
}

// ResumeDisk ends a StallDisk.
func (b *Bed) ResumeDisk(host string) error {
	return b.onDisk(host, func(_ *machine, dir string) error {
		if err := ioctl(dir, fsThaw, 0); err != nil {
			return fmt.Errorf("resume disk of %s: %w", host, err)
		}
		return nil
	})
}

// BreakDisk makes the kernel find an error in the file system of a host, which
// turns it read-only as a failing disk does. Only a new start of the host
// (KillHost, StartHost) ends it.
func (b *Bed) BreakDisk(host string) error {
	return b.onDisk(host, func(m *machine, _ string) error {
		if err := os.WriteFile("/sys/fs/ext4/"+m.loop+"/trigger_fs_error", []byte("a disk of the bed fails"), 0); err != nil {
			return fmt.Errorf("break disk of %s: %w", host, err)
		}
		return nil
	})
}

// LosePower is KillHost with a disk that forgets what was not flushed to it:
// the file system stops first, its journal unwritten. It needs Options.Disks.
func (b *Bed) LosePower(ctx context.Context, host string) error {
	err := b.onDisk(host, func(_ *machine, dir string) error {
		if err := b.net.setPort(host, false); err != nil {
			return err
		}
		return ioctl(dir, fsShutdown, withoutJournal)
	})
	if err != nil {
		return fmt.Errorf("lose power of %s: %w", host, err)
	}
	return b.KillHost(ctx, host)
}

// TryDisk writes and flushes a small file on the disk of a host: nil when that
// works within the limit. A write that hangs goes on in the background until the
// disk is resumed.
func (b *Bed) TryDisk(ctx context.Context, host string, limit time.Duration) error {
	done := make(chan error, 1)
	err := b.onDisk(host, func(_ *machine, dir string) error {
		go func() { done <- writeFlushed(dir) }()
		return nil
	})
	if err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		return fmt.Errorf("a write to the disk of %s takes longer than %v", host, limit)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writeFlushed uses a file of its own: a try that hung may end beside the next one.
func writeFlushed(dir string) error {
	f, err := os.CreateTemp(dir, "mmm-try-*")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 4096))
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
}
