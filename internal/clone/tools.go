package clone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNoTool: a program that copies need is not installed.
var ErrNoTool = errors.New("it is not installed; install the package mariadb-backup")

// Tools looks whether this host can give and take copies.
func Tools() error {
	var errs []error
	for _, name := range []string{"mariadb-backup", "mbstream"} {
		_, err := tool(name)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func tool(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", name, ErrNoTool)
	}
	return path, nil
}

// Source is a running server that is copied.
type Source struct {
	Socket, User, Password, Datadir string
	Dir                             string // a private directory for files of the run
}

// Point is where in the binlog of the source a copy was made.
type Point struct {
	File     string // name of the binlog
	Position int64
	GTID     string // as the tool says it
}

// Stream writes a copy of the server to w, as mbstream unpacks it, and says what
// moment it is of. Nothing stays behind. The server goes on; at the end its
// commits are held for a moment.
func (s Source) Stream(ctx context.Context, w io.Writer) (_ Point, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("copy the server: %w", err)
		}
	}()
	dir, err := os.MkdirTemp(s.Dir, "clone-")
	if err != nil {
		return Point{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "account.cnf")
	if err := os.WriteFile(file, []byte(s.account()), 0o600); err != nil { // a command line is there for all to read
		return Point{}, err
	}
	notes, target := filepath.Join(dir, "notes"), filepath.Join(dir, "target")
	if err := errors.Join(os.Mkdir(notes, 0o700), os.Mkdir(target, 0o700)); err != nil {
		return Point{}, err
	}
	err = run(ctx, "mariadb-backup", []string{"--defaults-file=" + file, "--backup", "--stream=mbstream",
		"--socket=" + s.Socket, "--datadir=" + s.Datadir, "--target-dir=" + target, "--extra-lsndir=" + notes}, nil, w)
	if err != nil {
		return Point{}, err
	}
	return readPoint(notes)
}

// account is what the tool logs in with, in the form of an option file.
func (s Source) account() string {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`)
	return "[mariadb-backup]\nuser=\"" + escape.Replace(s.User) + "\"\npassword=\"" + escape.Replace(s.Password) + "\"\n"
}

var pointText = regexp.MustCompile(`(?m)^binlog_pos = filename '([^']+)', position '(\d+)', GTID of the last change '([^']*)'`)

// readPoint reads the notes of a run; the file has another name since 11.
func readPoint(notes string) (Point, error) {
	for _, name := range []string{"xtrabackup_info", "mariadb_backup_info"} {
		raw, err := os.ReadFile(filepath.Join(notes, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Point{}, err
		}
		m := pointText.FindSubmatch(raw)
		if m == nil {
			return Point{}, fmt.Errorf("%s does not say where in the binlog the copy was made", name)
		}
		at, err := strconv.ParseInt(string(m[2]), 10, 64)
		return Point{File: string(m[1]), Position: at, GTID: string(m[3])}, err
	}
	return Point{}, errors.New("mariadb-backup left no notes")
}

// Unpack unpacks a stream into New, which Begin has made.
func (d Dirs) Unpack(ctx context.Context, from io.Reader) error {
	if err := run(ctx, "mbstream", []string{"-x", "-C", d.New()}, from, nil); err != nil {
		return fmt.Errorf("unpack the copy: %w", err)
	}
	return nil
}

// Prepare makes of what was unpacked the data of a server that was stopped
// cleanly, on disk, belonging to whom the datadir belongs.
func (d Dirs) Prepare(ctx context.Context) error {
	err := run(ctx, "mariadb-backup", []string{"--prepare", "--target-dir=" + d.New()}, nil, nil)
	if err == nil && !isFile(filepath.Join(d.New(), systemFile)) {
		err = fmt.Errorf("%w: the other host keeps its system tablespace elsewhere than in %s", ErrCannotReplace, systemFile)
	}
	if err == nil {
		err = d.own()
	}
	if err == nil {
		err = syncAll(d.New())
	}
	if err != nil {
		return fmt.Errorf("prepare the copy: %w", err)
	}
	return nil
}

// own gives the copy to the owner of the datadir, who may not be the one that
// runs this.
func (d Dirs) own() error {
	var top unix.Stat_t
	if err := unix.Stat(d.Data, &top); err != nil || int(top.Uid) == os.Geteuid() {
		return err
	}
	return filepath.WalkDir(d.New(), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(top.Uid), int(top.Gid))
	})
}

// syncAll puts everything of a file system on disk.
func syncAll(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}

// run runs a tool to its end; what it says last is the cause of an error. It dies
// with this process, for the next one begins anew.
func run(ctx context.Context, name string, args []string, in io.Reader, out io.Writer) error {
	path, err := tool(name)
	if err != nil {
		return err
	}
	complaint := &tail{}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, complaint
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	runtime.LockOSThread() // the kernel means the thread that started it
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return fmt.Errorf("run %s: %w", name, cause)
		}
		return fmt.Errorf("run %s: %w: %s", name, err, complaint.last())
	}
	return nil
}

// tail keeps the end of what a tool says, which is much.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	const most = 8 << 10
	t.text = append(t.text, p...)
	if len(t.text) > 2*most {
		t.text = bytes.Clone(t.text[len(t.text)-most:])
	}
	return len(p), nil
}

// last is the last line that names an error, or simply the last one.
func (t *tail) last() string {
	lines := strings.Split(strings.TrimSpace(string(t.text)), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if l := strings.ToLower(lines[i]); strings.Contains(l, "error") || strings.Contains(l, "fatal") {
			return lines[i]
		}
	}
	return lines[len(lines)-1]
}
