/* Tries to get out of a sandbox, each way in a process of its own, and reports one line for each:
 *
 *     NAME ok          it worked: the way is open
 *     NAME ERRNO       it was denied like this
 *     NAME signal N    it was killed
 *     NAME exit N      it ended without a result
 *
 * probe MARKER PID NAME...
 *
 * MARKER is the name of files that lie in the host's /tmp, /var/tmp and /dev/shm, and of an
 * abstract socket on which the host listens; PID is a process of the host. Which names are tried
 * and what is expected of them is the caller's (CONTAINMENT.md). Nothing here does harm where it
 * works but to the calling process' own mounts and network. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char *marker;
static pid_t host;
static char *self;

/* Each probe returns a number that is negative, with errno, where it was denied. */

static int opens(int flags, const char *path) { return open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); }

static int at_marker(const char *directory) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, marker);
    return opens(O_RDONLY, path);
}

/* Opens for writing the first file below `path` that lets itself be; changes nothing. */
static int writes_below(const char *path, int depth) {
    DIR *dir = opendir(path);
    if (!dir) return -1;
    int last = ENOENT;
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.') continue;
        int top = !strcmp(path, "/proc");
        if (top && (e->d_name[0] <= '9' || strstr(e->d_name, "self") || !strcmp(e->d_name, "sys"))) continue;
        char name[4096];
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        struct stat st;
        if (lstat(name, &st)) continue;
        int r = -1;
        errno = ENOENT;
        if (S_ISDIR(st.st_mode) && depth) r = writes_below(name, depth - 1);
        else if (S_ISREG(st.st_mode)) r = opens(O_WRONLY, name);
        if (r >= 0) {
            if (S_ISREG(st.st_mode)) fprintf(stderr, "%s\n", name);
            closedir(dir);
            return r;
        }
        if (errno != ENOENT && last != EROFS) last = errno;
    }
    closedir(dir);
    errno = last;
    return -1;
}
static int proc_sys_write(void) { return writes_below("/proc/sys", 8); }
static int proc_write(void) { return writes_below("/proc", 4); }
static int sys_write(void) { return writes_below("/sys", 6); }

static int mount_new(void) { return mount("probe", "/tmp", "tmpfs", 0, NULL); }
static int mount_bind(void) { return mount("/", "/tmp", NULL, MS_BIND, NULL); }
static int remount(void) { return mount(NULL, "/proc", NULL, MS_REMOUNT | MS_BIND, NULL); }
static int fsopen_(void) { return syscall(SYS_fsopen, "tmpfs", 0); }
static int open_tree_(void) { return syscall(SYS_open_tree, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */); }
static int move_mount_(void) { return syscall(SYS_move_mount, -1, "", -1, "", 0); }
static int mount_setattr_(void) { return syscall(SYS_mount_setattr, -1, "", 0, NULL, 0); }
static int umount_(void) { return umount2("/proc", MNT_DETACH); }
static int pivot_root_(void) { return syscall(SYS_pivot_root, ".", "."); }
static int chroot_(void) { return chroot("/"); }

static int clones(int flag) {
    pid_t pid = syscall(SYS_clone, (long)flag | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) _exit(0);
    if (pid > 0) waitpid(pid, NULL, 0);
    return pid;
}
#define NAMESPACE(name, flag) \
    static int unshare_##name(void) { return unshare(flag); } \
    static int clone_##name(void) { return clones(flag); }
NAMESPACE(mnt, CLONE_NEWNS)
NAMESPACE(cgroup, CLONE_NEWCGROUP)
NAMESPACE(uts, CLONE_NEWUTS)
NAMESPACE(ipc, CLONE_NEWIPC)
NAMESPACE(user, CLONE_NEWUSER)
NAMESPACE(pid, CLONE_NEWPID)
NAMESPACE(net, CLONE_NEWNET)
static int unshare_time(void) { return unshare(0x80 /* CLONE_NEWTIME */); }
static int clone3_(void) {
    struct clone_args args = {.flags = CLONE_NEWNS, .exit_signal = SIGCHLD};
    pid_t pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0) _exit(0);
    if (pid > 0) waitpid(pid, NULL, 0);
    return pid;
}
static int setns_(void) { return syscall(SYS_setns, opens(O_RDONLY, "/proc/self/ns/uts"), CLONE_NEWUTS); }

static int bpf_(void) {
    union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr);
}
static int perf(void) {
    struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attr, .config = PERF_COUNT_SW_TASK_CLOCK};
    return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}
static int io_uring(void) { char params[120] = {0}; return syscall(SYS_io_uring_setup, 1, params); }
static int userfaultfd_(void) { return syscall(SYS_userfaultfd, O_CLOEXEC); }
static int keyctl_(void) { return syscall(SYS_keyctl, 0 /* GET_KEYRING_ID */, -2 /* process' */, 1); }
static int add_key_(void) { return syscall(SYS_add_key, "user", "probe", "x", 1, -2); }
static int request_key_(void) { return syscall(SYS_request_key, "user", "probe", NULL, 0); }

static int ptrace_(void) {
    pid_t pid = fork();
    if (pid == 0) for (;;) pause();
    int r = ptrace(PTRACE_SEIZE, pid, 0, 0), error = errno;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    errno = error;
    return r;
}
static int process_vm(void) {
    char a = 0, b;
    struct iovec local = {&b, 1}, remote = {&a, 1};
    return syscall(SYS_process_vm_readv, getpid(), &local, 1, &remote, 1, 0);
}

/* These are called so that they would fail otherwise: EPERM is the filter's. */
static int kexec_load_(void) { return syscall(SYS_kexec_load, 0, 1UL << 20, 0, 0); }
static int kexec_file(void) { return syscall(SYS_kexec_file_load, -1, -1, 0, 0, ~0UL); }
static int init_module_(void) { return syscall(SYS_init_module, 0, 0, 0); }
static int finit_module_(void) { return syscall(SYS_finit_module, -1, "", ~0); }
static int delete_module_(void) { return syscall(SYS_delete_module, "probe-no-such", O_NONBLOCK); }
static int reboot_(void) { return syscall(SYS_reboot, 0, 0, 0, 0); }
static int swapon_(void) { return syscall(SYS_swapon, "/probe-no-such", 0); }
static int swapoff_(void) { return syscall(SYS_swapoff, "/probe-no-such"); }
static int acct_(void) { return syscall(SYS_acct, "/probe-no-such"); }
static int quotactl_(void) { return syscall(SYS_quotactl, ~0, 0, 0, 0); }
static int clock_set(void) { struct timespec t = {0, -1}; return syscall(SYS_clock_settime, 0, &t); }
static int time_set(void) { struct timeval t = {0, -1}; return syscall(SYS_settimeofday, &t, 0); }
static int clock_adjust(void) { struct timex t = {0}; return syscall(SYS_clock_adjtime, 0, &t); }

static int open_by_handle(void) {
    struct { struct file_handle head; char rest[128]; } handle = {.head.handle_bytes = 128};
    int id;
    if (syscall(SYS_name_to_handle_at, AT_FDCWD, "/", &handle, &id, 0)) return -1;
    return syscall(SYS_open_by_handle_at, opens(O_RDONLY, "/"), &handle, O_RDONLY);
}

static int inet(void) { return socket(AF_INET, SOCK_STREAM, 0); }
static int inet6(void) { return socket(AF_INET6, SOCK_STREAM, 0); }
static int raw(void) { return socket(AF_INET, SOCK_RAW, 1); }
static int packet(void) { return socket(AF_PACKET, SOCK_RAW, 0); }
static int netlink(void) { return socket(AF_NETLINK, SOCK_RAW, 0); }
static int vsock(void) { return socket(AF_VSOCK, SOCK_STREAM, 0); }
static int abstract_socket(void) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t length = strlen(marker);
    memcpy(at.sun_path + 1, marker, length);
    return connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&at, offsetof(struct sockaddr_un, sun_path) + 1 + length);
}

static int host_tmp(void) { return at_marker("/tmp"); }
static int host_var(void) { return at_marker("/var/tmp"); }
static int host_shm(void) { return at_marker("/dev/shm"); }
static int dotdot(void) { return at_marker("/../../../../../../tmp"); }
static int proc_1_root(void) { return at_marker("/proc/1/root/tmp"); }
static int proc_1_cwd(void) { return at_marker("/proc/1/cwd/../../../../tmp"); }
static int link_out(void) {
    char target[4096];
    snprintf(target, sizeof target, "/../../tmp/%s", marker);
    unlink("/var/tmp/probe-link");
    if (symlink(target, "/var/tmp/probe-link")) return -1;
    int r = opens(O_WRONLY, "/var/tmp/probe-link"), error = errno;
    unlink("/var/tmp/probe-link");
    errno = error;
    return r;
}
static int host_process(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", host);
    return opens(O_RDONLY, path);
}
static int signal_host(void) { return kill(host, 0); }
static int host_devices(void) {
    static const char *const names[] = {"/dev/mem", "/dev/port", "/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/loop-control",
        "/dev/mapper/control", "/dev/fuse", "/dev/kvm", "/dev/net/tun", "/dev/vsock", "/dev/console", "/dev/tty0"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (opens(O_RDONLY, names[i]) >= 0) return 0;
    errno = ENOENT;
    return -1;
}
static int kmsg(void) { return opens(O_WRONLY, "/dev/kmsg"); }
static int syslog_(void) { return syscall(SYS_syslog, 10 /* size of the buffer */, 0, 0); }
static int makes_node(mode_t type, dev_t device) {
    unlink("/var/tmp/probe-node");
    int r = mknod("/var/tmp/probe-node", type | 0600, device), error = errno;
    unlink("/var/tmp/probe-node");
    errno = error;
    return r;
}
static int mknod_block(void) { return makes_node(S_IFBLK, makedev(254, 0)); }
static int mknod_char(void) { return makes_node(S_IFCHR, makedev(1, 1)); }
static int cgroups(void) { return opens(O_RDONLY | O_DIRECTORY, "/sys/fs/cgroup"); }

static int tiocsti(void) { return ioctl(0, TIOCSTI, "x"); }
static int tioclinux(void) { char what = 11; return ioctl(0, TIOCLINUX, &what); }
static int tty(void) { return opens(O_RDWR, "/dev/tty"); }

static int hostname_(void) {
    char name[256];
    return gethostname(name, sizeof name) ? -1 : sethostname(name, strlen(name));
}
static int domainname_(void) {
    char name[256];
    return getdomainname(name, sizeof name) ? -1 : setdomainname(name, strlen(name));
}

static int bits32(void) {
#ifdef __x86_64__
    long r = 20; /* getpid by the numbers of i386 */
    __asm__ volatile("int $0x80" : "+a"(r) : : "r8", "r9", "r10", "r11", "memory");
    errno = -r;
    return r;
#else
    errno = ENOSYS;
    return -1;
#endif
}
static int x32(void) { return syscall(0x40000000 + 39 /* getpid */); }
static int io_ports(void) {
#ifdef __x86_64__
    return syscall(SYS_iopl, 3);
#else
    errno = EPERM;
    return -1;
#endif
}

static int has_capability(int number) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {0};
    syscall(SYS_capget, &head, data);
    if (data[number / 32].permitted & (1u << number % 32)) return 0;
    errno = EPERM;
    return -1;
}
static int capset_(void) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{~0u, ~0u, 0}, {0x1ff & ~2u, 0x1ff & ~2u, 0}};
    if (has_capability(CAP_SYS_ADMIN)) return syscall(SYS_capset, &head, data) ? -1 : 0;
    return 0;
}
/* A file with a capability is what a package may bring; to run it must not give it. */
static int file_capability(void) {
    const char *copy = "/usr/bin/probe-copy";
    unlink(copy);
    int from = opens(O_RDONLY, self), to = open(copy, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    char bytes[65536];
    for (ssize_t n; (n = read(from, bytes, sizeof bytes)) > 0;) if (write(to, bytes, n) != n) return -1;
    close(to);
    uint32_t value[5] = {0x02000001, 1u << CAP_SYS_ADMIN, 0, 0, 0};
    if (setxattr(copy, "security.capability", value, sizeof value, 0)) exit(3);
    pid_t pid = fork();
    if (pid == 0) { execl(copy, copy, "has-admin", NULL); _exit(4); }
    int status;
    waitpid(pid, &status, 0);
    unlink(copy);
    errno = EPERM;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}
static int rlimits(void) {
    struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    return setrlimit(RLIMIT_FSIZE, &all) || setrlimit(RLIMIT_CORE, &all) ? -1 : 0;
}
static int priority(void) { return setpriority(PRIO_PROCESS, 0, -20); }
static int realtime(void) {
    struct sched_param p = {1};
    return syscall(SYS_sched_setscheduler, 0, 1 /* SCHED_FIFO */, &p);
}

static int environment(void) {
    static const char *const known[] = {"PATH=", "HOME=", "LANG=", "SYSTEMD_OFFLINE=", "PWD=", "OLDPWD=", "SHLVL=", "_="};
    for (char **e = environ; *e; e++) {
        size_t i = 0, n = sizeof known / sizeof *known;
        while (i < n && strncmp(*e, known[i], strlen(known[i]))) i++;
        if (i == n) return 0;
    }
    errno = ENOENT;
    return -1;
}
static int descriptors(void) {
    for (int fd = 3; fd < 4096; fd++) if (fcntl(fd, F_GETFD) >= 0) return fd;
    errno = EBADF;
    return -1;
}

#define P(name, function) {name, function}
#define BOTH(name, function) P("unshare-" name, unshare_##function), P("clone-" name, clone_##function)
static const struct { const char *name; int (*run)(void); } PROBES[] = {
    P("proc-sys-write", proc_sys_write), P("proc-write", proc_write), P("sys-write", sys_write),
    P("mount", mount_new), P("mount-bind", mount_bind), P("remount", remount), P("fsopen", fsopen_),
    P("open-tree", open_tree_), P("move-mount", move_mount_), P("mount-setattr", mount_setattr_),
    P("umount", umount_), P("pivot-root", pivot_root_), P("chroot", chroot_),
    BOTH("mnt", mnt), BOTH("cgroup", cgroup), BOTH("uts", uts), BOTH("ipc", ipc), BOTH("user", user),
    BOTH("pid", pid), BOTH("net", net), P("unshare-time", unshare_time), P("clone3", clone3_), P("setns", setns_),
    P("bpf", bpf_), P("perf", perf), P("io-uring", io_uring), P("userfaultfd", userfaultfd_),
    P("keyctl", keyctl_), P("add-key", add_key_), P("request-key", request_key_),
    P("ptrace", ptrace_), P("process-vm", process_vm),
    P("kexec", kexec_load_), P("kexec-file", kexec_file), P("init-module", init_module_),
    P("finit-module", finit_module_), P("delete-module", delete_module_), P("reboot", reboot_),
    P("swapon", swapon_), P("swapoff", swapoff_), P("acct", acct_), P("quotactl", quotactl_),
    P("clock-set", clock_set), P("time-set", time_set), P("clock-adjust", clock_adjust),
    P("open-by-handle", open_by_handle),
    P("inet", inet), P("inet6", inet6), P("raw", raw), P("packet", packet), P("netlink", netlink),
    P("vsock", vsock), P("abstract-socket", abstract_socket),
    P("host-tmp", host_tmp), P("host-var", host_var), P("host-shm", host_shm), P("dot-dot", dotdot),
    P("proc-1-root", proc_1_root), P("proc-1-cwd", proc_1_cwd), P("link-out", link_out),
    P("host-process", host_process), P("signal-host", signal_host), P("host-devices", host_devices),
    P("kmsg", kmsg), P("syslog", syslog_), P("mknod-block", mknod_block), P("mknod-char", mknod_char),
    P("cgroups", cgroups), P("tiocsti", tiocsti), P("tioclinux", tioclinux), P("tty", tty),
    P("hostname", hostname_), P("domainname", domainname_),
    P("32-bit", bits32), P("x32", x32), P("io-ports", io_ports),
    P("capset", capset_), P("file-capability", file_capability), P("rlimits", rlimits),
    P("priority", priority), P("realtime", realtime),
    P("environment", environment), P("descriptors", descriptors),
};

int main(int count, char **words) {
    if (count == 2 && !strcmp(words[1], "has-admin")) return has_capability(CAP_SYS_ADMIN) ? 1 : 0;
    if (count < 3) return 2;
    self = words[0];
    marker = words[1];
    host = atoi(words[2]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 3; i < count; i++) {
        size_t at = 0, n = sizeof PROBES / sizeof *PROBES;
        while (at < n && strcmp(PROBES[at].name, words[i])) at++;
        if (at == n) { printf("%s unknown\n", words[i]); continue; }
        pid_t pid = fork();
        if (pid == 0) {
            alarm(20);
            int result = PROBES[at].run();
            if (result >= 0) printf("%s ok\n", words[i]);
            else printf("%s %s\n", words[i], strerrorname_np(errno));
            _exit(0);
        }
        int status;
        if (pid < 0 || waitpid(pid, &status, 0) < 0) return 2;
        if (WIFSIGNALED(status)) printf("%s signal %d\n", words[i], WTERMSIG(status));
        else if (WEXITSTATUS(status)) printf("%s exit %d\n", words[i], WEXITSTATUS(status));
    }
    return 0;
}
