#!/bin/bash
# Runs a command on a copy of this tree in another version of Debian, as root:
#
#   debian.sh [--no-network] SUITE COMMAND...        such as: debian.sh trixie ./bazelw run //:install
#
# SUITE: bookworm, trixie, sid. The first time debootstrap makes a bare one in ~/.cache/ferroc/debian/SUITE, or below
# FERROC_DEBIAN_DIR; what a command installs there stays. The tree is copied to /ferroc. What the command started ends with it.
set -euo pipefail

namespaces=(--mount --pid --fork --kill-child)
if [[ ${1-} == --no-network ]]; then
  namespaces+=(--net)
  shift
fi
if (($# < 2)); then
  sed -n 's/^#   //p' "$0" >&2
  exit 2
fi
suite=$1
shift
if ((EUID != 0)); then
  echo "debian.sh: debootstrap and chroot need root" >&2
  exit 1
fi

folder=${FERROC_DEBIAN_DIR:-$HOME/.cache/ferroc/debian}/$suite
if [[ ! -d $folder ]]; then
  rm -rf "$folder.new"
  mkdir -p "${folder%/*}"
  debootstrap --variant=minbase "$suite" "$folder.new"
  mv "$folder.new" "$folder"
fi
cp /etc/resolv.conf "$folder/etc/resolv.conf"
apt-config dump Acquire >"$folder/etc/apt/apt.conf.d/99machine" # proxies and the like
rm -rf "$folder/ferroc"
mkdir "$folder/ferroc"
tar -C "${BUILD_WORKSPACE_DIRECTORY:-.}" -c --exclude='./bazel-*' --exclude=./.git . | tar -C "$folder/ferroc" -x

# The mounts are in a namespace of their own, which ends with the command.
exec unshare "${namespaces[@]}" bash -c '
  set -e
  folder=$1
  shift
  ! type ip >/dev/null || ip link set lo up
  mount -t proc proc "$folder/proc"
  mount --rbind /sys "$folder/sys"
  mount --rbind /dev "$folder/dev"
  exec chroot "$folder" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM="${TERM-dumb}" \
    bash -c "cd /ferroc && exec \"\$@\"" bash "$@"' bash "$folder" "$@"
