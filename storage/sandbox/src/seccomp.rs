//! The filters of system calls, as programs for the kernel.
//!
//! Everything is allowed but what is named here: a list of what packages' scripts may call would
//! break one of them with every new libc. What is denied either reaches beyond the sandbox or
//! has been the way out of one.

use libc::c_long;
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, sock_filter,
};
use std::collections::BTreeMap;

/// Calls that answer EPERM.
const DENIED: &[c_long] = &[
    // Mounts and roots.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_chroot,
    // Namespaces.
    libc::SYS_unshare,
    libc::SYS_setns,
    // Programs and queues inside the kernel.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Keyrings are not namespaced.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    // The kernel and the machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    // Opens any inode of the file system, whatever is mounted where.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// Functions of the console, the selection's paste among them (asm-generic/ioctls.h).
const TIOCLINUX: u64 = 0x541c;

/// Calls that also answer EPERM where no namespace keeps what they reach apart.
const DENIED_WITHOUT_NAMESPACES: &[c_long] = &[
    // System V and POSIX message queues, semaphores and shared memory.
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semctl,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_msgget,
    libc::SYS_msgctl,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // Other processes of the same user.
    libc::SYS_pidfd_getfd,
    libc::SYS_process_madvise,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
];

/// Calls whose argument of that index names another process unless it is 0: they answer EPERM
/// then. Signals are not here, since a script may signal what it started (see `process.rs`).
const OWN_PROCESS_ONLY: &[(c_long, u8)] = &[
    (libc::SYS_prlimit64, 0),
    (libc::SYS_sched_setaffinity, 0),
    (libc::SYS_sched_setattr, 0),
    (libc::SYS_sched_setparam, 0),
    (libc::SYS_sched_setscheduler, 0),
    (libc::SYS_setpriority, 1),
    (libc::SYS_ioprio_set, 1),
];

/// The namespaces that clone(2) could make.
const NAMESPACES: &[i32] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// The filters, each as the bytes of an array of `struct sock_filter`; all of them apply.
pub(crate) fn programs() -> Result<Vec<Vec<u8>>, Error> {
    let mut denied: BTreeMap<i64, Vec<SeccompRule>> =
        DENIED.iter().map(|call| (*call, Vec::new())).collect();
    let with_namespace = |flag: &i32| {
        let op = SeccompCmpOp::MaskedEq(*flag as u64);
        let condition = SeccompCondition::new(0, SeccompCmpArgLen::Dword, op, *flag as u64)?;
        SeccompRule::new(vec![condition])
    };
    let clone = NAMESPACES.iter().map(with_namespace).collect::<Result<Vec<_>, _>>();
    denied.insert(libc::SYS_clone, clone.map_err(Error::Backend)?);

    // Both put bytes into a terminal's input. Compared by 32 bits, as the kernel does: the upper
    // half of the argument is ignored there and must not make a difference here.
    let terminal = |request: u64| {
        let op = SeccompCmpOp::Eq;
        SeccompRule::new(vec![SeccompCondition::new(1, SeccompCmpArgLen::Dword, op, request)?])
    };
    let terminal = [libc::TIOCSTI, TIOCLINUX].into_iter().map(terminal);
    denied.insert(libc::SYS_ioctl, terminal.collect::<Result<_, _>>().map_err(Error::Backend)?);

    // Its flags lie in memory, where no filter sees them; libc falls back to clone on ENOSYS.
    let unseen = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);

    // EAFNOSUPPORT is what a kernel without the family answers: useradd, for one, gives up when
    // the audit socket fails in any other way.
    let other_family =
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, libc::AF_UNIX as u64)
            .and_then(|condition| SeccompRule::new(vec![condition]))
            .map_err(Error::Backend)?;
    let sockets = BTreeMap::from([
        (libc::SYS_socket, vec![other_family.clone()]),
        (libc::SYS_socketpair, vec![other_family]),
    ]);

    let mut programs = Vec::with_capacity(4);
    for (rules, errno) in
        [(denied, libc::EPERM), (unseen, libc::ENOSYS), (sockets, libc::EAFNOSUPPORT)]
    {
        programs.push(bytes(&compile(rules, errno)?));
    }
    programs.push(bytes(&foreign_numbers()));
    Ok(programs)
}

/// What applies besides where there are no namespaces.
pub(crate) fn without_namespaces() -> Result<Vec<u8>, Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        DENIED_WITHOUT_NAMESPACES.iter().map(|call| (*call, Vec::new())).collect();
    for (call, argument) in OWN_PROCESS_ONLY {
        let other = SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, 0)
            .and_then(|condition| SeccompRule::new(vec![condition]))
            .map_err(Error::Backend)?;
        rules.insert(*call, vec![other]);
    }
    // Everyone that there is, which without a pid namespace are the machine's processes.
    let everyone =
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, u64::from(u32::MAX))
            .and_then(|condition| SeccompRule::new(vec![condition]))
            .map_err(Error::Backend)?;
    rules.insert(libc::SYS_kill, vec![everyone]);
    Ok(bytes(&compile(rules, libc::EPERM)?))
}

/// A filter that answers `errno` to `rules`. seccompiler puts a check of the architecture first
/// that kills the process of another one (32-bit calls of a 64-bit process).
fn compile(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) -> Result<BpfProgram, Error> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(Error::Backend)?;
    let action = SeccompAction::Errno(errno as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, action, arch)
        .and_then(BpfProgram::try_from)
        .map_err(Error::Backend)
}

/// x32 calls share the architecture with x86-64 and have bit 30 set in their number: every other
/// filter would let them pass. No other architecture has such numbers.
fn foreign_numbers() -> BpfProgram {
    const LOAD_WORD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
    const JUMP_IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    const ALLOW: u32 = 0x7fff_0000;
    const ERRNO: u32 = 0x0005_0000;
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        step(LOAD_WORD, 0, 0, 0),
        step(JUMP_IF_AT_LEAST, 0, 1, 0x4000_0000),
        step(RETURN, 0, 0, ERRNO | libc::ENOSYS as u32),
        step(RETURN, 0, 0, ALLOW),
    ]
}

/// The program in the kernel's layout: `u16 code, u8 jt, u8 jf, u32 k`, in native order.
fn bytes(program: &[sock_filter]) -> Vec<u8> {
    let step = |s: &sock_filter| {
        let mut bytes = [0; 8];
        bytes[..2].copy_from_slice(&s.code.to_ne_bytes());
        bytes[2] = s.jt;
        bytes[3] = s.jf;
        bytes[4..].copy_from_slice(&s.k.to_ne_bytes());
        bytes
    };
    program.iter().flat_map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_is_whole_and_short_enough() {
        let programs = programs().unwrap();
        assert_eq!(programs.len(), 4);
        for program in programs.into_iter().chain([without_namespaces().unwrap()]) {
            assert_eq!(program.len() % 8, 0);
            assert!(!program.is_empty() && program.len() / 8 <= 4096);
        }
    }
}
