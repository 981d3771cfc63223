#!/bin/bash
# Boots a kernel of Debian's for AArch64 in an emulated machine, and runs test programs there:
#
#   boot.sh INIT KERNEL LIBCMOCKA PROGRAM... -- [VARIABLE=VALUE...] [NAME...]
#
# VARIABLE: goes into the programs' environment; init.c has some of its own. NAME: those programs alone, such as where and
# heap_test; else all of them. Prints the machine's output as it comes. The exit status is 0 only if all programs passed.
set -euo pipefail
init=$1 kernel=$2 cmocka=$3
shift 3
programs=()
while [[ $1 != -- ]]; do
  programs+=("$1")
  shift
done
shift
variables=()
while [[ ${1-} == *=* ]]; do
  variables+=("$1")
  shift
done
libraries=/usr/aarch64-linux-gnu/lib

machine=$(mktemp -d)
trap 'rm -rf "$machine"' EXIT
mkdir -p "$machine"/root/{bin,usr/bin,dev,proc,sys,tmp,tests,lib}
cp -L "$init" "$machine/root/init"
ln -s /init "$machine/root/bin/true"
cp -L "$cmocka" "$libraries"/{ld-linux-aarch64.so.1,libatomic.so.1,libc.so.6,libgcc_s.so.1,libm.so.6,libstdc++.so.6} \
  "$machine/root/lib"
for program in "${programs[@]}"; do
  # Two of them may have one name.
  name=${program##*/}
  [[ ! -e $machine/root/tests/$name ]] || name=other_$name
  (($# == 0)) || [[ " $* " == *" $name "* ]] || continue
  cp -L "$program" "$machine/root/tests/$name"
done
(cd "$machine/root" && find . | cpio --quiet --create --format=newc --owner=0:0) | gzip -1 >"$machine/initrd"

qemu-system-aarch64 -machine virt -cpu cortex-a72 -smp 2 -m 4G -nographic -no-reboot -nic none \
  -kernel "$kernel" -initrd "$machine/initrd" -append "console=ttyAMA0 panic=-1 quiet ${variables[*]}" </dev/null |
  sed -u 's/\r$//' | tee "$machine/log"

grep -q '^# [0-9]* of [0-9]* programs passed$' "$machine/log" || exit 1
! grep -q '^not ok - ' "$machine/log"
