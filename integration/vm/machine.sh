#!/bin/bash
# A machine without hardware: a deployment's own systemd as pid 1 of fresh namespaces.
# harness/vm.rs starts this and keeps its state in DIR: disk.img and boot.img (its disks), cgroup
# (its path), pid (of init, as the outside sees it), boot-id, console.
#
#   machine.sh format DIR       make the disks, with what is in DIR/sysroot on them
#   machine.sh supervise DIR    power on; boots again after each reboot, ends after a power-off
#   machine.sh boot DIR         (inside the namespaces) what a boot loader and an initramfs do
#
# The kernel is the machine's own: no boot loader entry's kernel or initramfs is executed.
set -euo pipefail
verb=$1; dir=$2; disk=$dir/disk

# Mounted where only this mount namespace sees it: the mounts end with the last process in it.
attach() {
  # After a crash the kernel takes a moment to let go of the disks.
  local image
  for image in "$dir/disk.img" "$dir/boot.img"; do
    while [ -n "$(losetup --associated "$image")" ]; do sleep 0.02; done
  done
  mkdir -p "$disk"
  mount -o loop "$dir/disk.img" "$disk"
  mkdir -p "$disk/boot"
  mount -o loop "$dir/boot.img" "$disk/boot"
}

# Sparse, so that only what is written takes space.
format() {
  truncate --size=12G "$dir/disk.img"; truncate --size=1G "$dir/boot.img"
  mkfs.ext4 -q -F -L root "$dir/disk.img"; mkfs.ext4 -q -F -L boot "$dir/boot.img"
  attach
  # In two goes: nothing is linked from one file system to the other.
  find "$dir/sysroot" -mindepth 1 -maxdepth 1 ! -name boot -exec cp --archive -t "$disk" {} +
  cp --archive "$dir/sysroot/boot/." "$disk/boot/"
  # A copy has not what libostree sets on a deployment's root.
  chattr +i "$disk"/ostree/deploy/*/deploy/*.[0-9]
}

supervise() {
  cgroup=$(<"$dir/cgroup")
  mkdir -p "$cgroup/os" "$cgroup/shell"
  echo $$ > "$cgroup/os/cgroup.procs"
  attach
  while :; do
    cat /proc/sys/kernel/random/uuid > "$dir/boot-id.next"
    mv "$dir/boot-id.next" "$dir/boot-id"
    unshare --mount --pid --fork --kill-child --uts --ipc --net --cgroup --propagation private \
      -- "$BASH" "$0" boot "$dir" & outer=$!
    child=
    until [ -n "$child" ] || [ ! -d "/proc/$outer" ]; do
      child=$(cat "/proc/$outer/task/$outer/children" 2>/dev/null) || child=
    done
    echo "${child% }" > "$dir/pid"
    code=0; wait $outer || code=$?
    rm -f "$dir/pid"
    echo "[machine] init ended with $code"
    # The kernel ends a pid namespace's init with SIGHUP for a reboot, SIGINT for a power-off.
    [ $code = 129 ] || exit 0
  done
}

# The boot loader's choice: the entry with the highest version.
default_entry() {
  local entry version best= highest=-1
  for entry in "$disk"/boot/loader/entries/*.conf; do
    version=$(sed -n 's/^version //p' "$entry")
    if [ "$version" -gt $highest ]; then highest=$version best=$entry; fi
  done
  echo "$best"
}

node() { mknod -m "$2" "dev/$1" c "$3" "$4"; }

boot() {
  entry=$(default_entry)
  options=$(sed -n 's/^options //p' "$entry")
  for word in $options; do case $word in ostree=*) link=${word#ostree=};; esac; done
  root=$(readlink -f "$disk$link")
  stateroot=$(basename "$(dirname "$(dirname "$root")")")
  echo "[machine] $(date +%T) boots ${root##*/} by ${entry##*/}"
  [ -d "$root/usr" ] || { echo "[machine] there is no such deployment"; exit 1; }

  mount --bind "$root" "$root"; cd "$root"
  mount --bind usr usr; mount -o remount,bind,ro usr
  mount --bind "$disk" sysroot
  mount --bind "$disk/ostree/deploy/$stateroot/var" var
  mount --bind "$disk/boot" boot
  mount -t proc proc proc
  printf 'BOOT_IMAGE=/vmlinuz %s\n' "$options" > "$dir/cmdline"
  mount --bind "$dir/cmdline" proc/cmdline
  mount --bind proc/sys proc/sys; mount -o remount,bind,ro proc/sys
  mount --bind "$dir/boot-id" proc/sys/kernel/random/boot_id
  mount -t sysfs -o ro sysfs sys
  mount -t cgroup2 cgroup2 sys/fs/cgroup
  # Nodes of its own: systemd changes the console's owner, which a bind would pass on to us.
  mount -t tmpfs -o mode=755 tmpfs dev
  node null 666 1 3; node zero 666 1 5; node full 666 1 7; node random 666 1 8
  node urandom 666 1 9; node tty 666 5 0; node console 600 1 3; node fuse 666 10 229
  [ ! -e proc/sysrq-trigger ] || mount --bind dev/null proc/sysrq-trigger
  ln -s /proc/self/fd dev/fd; ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr
  mkdir dev/pts dev/shm
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
  ln -s pts/ptmx dev/ptmx
  mount -t tmpfs -o mode=1777 tmpfs dev/shm
  mount -t tmpfs -o mode=755 tmpfs run
  [ -L tmp ] || mount -t tmpfs -o mode=1777 tmpfs tmp
  mkdir -p "$disk/tmp" run/lock run/before run/systemd/system/multi-user.target.wants
  touch run/ostree-booted
  for unit in console-getty.service getty.target systemd-remount-fs.service; do
    ln -s /dev/null "run/systemd/system/$unit"
  done
  cat > run/systemd/system/machine-up.service <<UNIT
[Unit]
Description=The harness may come in
After=basic.target dbus.socket
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/touch /run/machine-up
UNIT
  ln -s ../machine-up.service run/systemd/system/multi-user.target.wants/
  ip link set lo up
  pivot_root . run/before; cd /; umount -l /run/before; rmdir /run/before
  mount --make-rshared /
  init=/usr/lib/systemd/systemd
  exec env -i PATH=/usr/sbin:/usr/bin container=machine TERM=dumb \
    setpriv --bounding-set=-sys_time,-sys_module $init --log-target=journal --show-status=0
}

"$verb"
