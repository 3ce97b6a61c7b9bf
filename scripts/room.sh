# shellcheck shell=bash
# An empty Debian to try things in. Source it after lib.sh; it defines functions only.
#
# The Debian is a folder, removed at the end of the script. What runs in it has its own namespaces
# (mounts, processes and, on request, network): it ends with the script, and leaves this machine's
# ports, files and processes alone. Needs root.

# make_room SUITE: makes the folder and sets `room` to it. The packages come from this machine's own
# sources, with the suite's name in place of the machine's.
make_room() {
  local suite=$1 here above
  [[ $EUID -eq 0 ]] || die "needs root"
  ensure_packages room
  here=$(. /etc/os-release && echo "$VERSION_CODENAME")
  above=$(mktemp -d "${TMPDIR:-/tmp}/regroup-${0##*/}.XXXXXX")
  room=$above/$suite
  # shellcheck disable=SC2064  # this folder, whatever `above` is at the end
  trap "rm -rf --one-file-system '$above'" EXIT
  trap 'exit 1' INT TERM HUP
  sed "s/\b$here\b/$suite/g" /etc/apt/sources.list.d/debian.sources >"$above/debian.sources"
  mmdebstrap --quiet --variant=minbase --mode=root "$suite" "$room" "$above/debian.sources"
  cp -L /etc/resolv.conf /etc/hosts "$room/etc/"
  cp /etc/apt/apt.conf.d/* "$room/etc/apt/apt.conf.d/"
  printf '#!/bin/sh\nexit 101\n' >"$room/usr/sbin/policy-rc.d" # packages must start nothing
  chmod 755 "$room/usr/sbin/policy-rc.d"
}

# in_room NAMESPACE... [--bind OUTSIDE INSIDE] -- COMMAND...: runs it inside, with its own /proc and
# /dev.
in_room() {
  local namespaces=() outside='' inside=''
  while [[ $1 != -- ]]; do
    case $1 in
    --bind) outside=$2 inside=$3 && shift 3 ;;
    *) namespaces+=("$1") && shift ;;
    esac
  done
  shift
  # shellcheck disable=SC2016  # the inner shell's own variables
  unshare --mount --pid --fork --kill-child "${namespaces[@]}" bash -c '
    set -e
    room=$1 outside=$2 inside=$3
    shift 3
    ip link set lo up 2>/dev/null || true
    mount --bind "$room" "$room"
    mount -t proc proc "$room/proc"
    mount -t tmpfs -o mode=755 tmpfs "$room/dev"
    for device in null zero random urandom; do
      touch "$room/dev/$device"
      mount --bind "/dev/$device" "$room/dev/$device"
    done
    ln -s /proc/self/fd "$room/dev/fd"
    mkdir -m 1777 "$room/dev/shm"
    if [[ $outside ]]; then
      mkdir -p "$room/$inside"
      mount --bind "$outside" "$room/$inside"
    fi
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
      DEBIAN_FRONTEND=noninteractive chroot "$room" "$@"
  ' in_room "$room" "$outside" "$inside" "$@"
}
