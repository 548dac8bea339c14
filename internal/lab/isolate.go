package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// Isolate has cmd run in mount and network namespaces of its own: with nothing but a loopback, every port free, and
// mounts that nobody else sees. Who is not root gets a user namespace too, with the rights to arrange that but the same
// user id: as a root that may not choose its groups, rsync would refuse to serve. Some systems forbid all of this; then
// starting cmd, or the first thing it arranges, fails with os.ErrPermission.
func Isolate(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	attr := cmd.SysProcAttr
	attr.Cloneflags |= syscall.CLONE_NEWNS | syscall.CLONE_NEWNET
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
		attr.AmbientCaps = append(attr.AmbientCaps, unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE)
	}
}

// EnterLoopback makes the namespaces usable, for the process that runs within them. It refuses to touch a machine's real
// ones: they have more than a loopback.
func EnterLoopback() error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("listing the network interfaces: %w", err)
	}
	if len(interfaces) != 1 || interfaces[0].Flags&net.FlagLoopback == 0 {
		return errors.New("this is not a network namespace of its own: it must run as Isolate has it")
	}
	if err := up(interfaces[0].Name); err != nil {
		return fmt.Errorf("bringing the loopback up: %w", err)
	}
	// What is mounted from here on stays in here.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making the mounts private: %w", err)
	}
	return nil
}

// up sets a network interface up (netdevice(7)).
func up(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request); err != nil {
		return err
	}
	request.SetUint16(request.Uint16() | unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// cover mounts the file or directory over another one, until undo.
func cover(over, path string) (undo func() error, err error) {
	if err := unix.Mount(over, path, "", unix.MS_BIND, ""); err != nil {
		return nil, fmt.Errorf("mounting over %s: %w", path, err)
	}
	return func() error { return unix.Unmount(path, 0) }, nil
}
