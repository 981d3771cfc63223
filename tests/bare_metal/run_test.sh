#!/bin/bash
# run_test.sh CPU PROGRAM [MESSAGE]: runs a test program where it belongs: in an emulator of a machine with this
# processor, or, for x86_64, as a program of this machine's kernel. The exit status is the program's; with a message, the
# program must say it and then fail.
set -u
cpu=$1 program=$2 message=${3-}

# No device but memory and the processor; what the program says comes by semihosting.
emulator=(-nodefaults -nic none -display none -serial none -monitor none -semihosting-config "enable=on,target=native,chardev=console"
  -chardev stdio,id=console)

case $cpu in
  aarch64) command=(qemu-system-aarch64 -M virt -cpu cortex-a53 -m 1G) ;;
  arm) command=(qemu-system-arm -M virt -cpu cortex-a15 -m 1G) ;;
  cortex_m3) command=(qemu-system-arm -M mps2-an385 -cpu cortex-m3) ;;
  x86_64)
    if [[ $(uname -sm) != "Linux x86_64" ]]; then
      echo "ok - $(basename "$program") # SKIP it needs Linux on x86-64, this is $(uname -sm)"
      exit 0
    fi
    command=() emulator=()
    ;;
  *)
    echo "not ok - run_test.sh knows aarch64, arm, cortex_m3 and x86_64, not $cpu"
    exit 1
    ;;
esac
if ((${#command[@]} > 0)); then
  if ! command -v "${command[0]}" >/dev/null; then
    echo "ok - $(basename "$program") # SKIP ${command[0]} is missing (Debian: apt-get install qemu-system-arm)"
    exit 0
  fi
  emulator+=(-kernel)
fi
if [[ -z $message ]]; then
  exec "${command[@]}" "${emulator[@]}" "$program" </dev/null
fi
output=$("${command[@]}" "${emulator[@]}" "$program" </dev/null 2>&1)
status=$?
echo "$output"
if ((status != 0)) && grep -qF -- "$message" <<<"$output"; then
  echo "ok - the program says '$message', and ends with status $status"
else
  echo "not ok - the program ends with status $status, and should say '$message' and fail"
  exit 1
fi
