#!/usr/bin/env bash
# Installs what `cargo e2e local` needs, from Debian's packages: RabbitMQ and a registry on this machine, and a Debian root
# of its own for the nodes, because containerd, runc and CRIU must be newer than most machines have them. Idempotent.
# Usage: scripts/install-local-deps.sh    (as root)
set -euo pipefail

# containerd 2.1.9, runc 1.3.6 and CRIU 4.2.1 or newer of their kind: CRIU 4.1 fails on newer kernels, containerd before
# 2.1.9 restores unsafely.
suite=forky
home=/var/lib/ms2m-e2e
image="$home/node-image"
# CRIU stops the traffic of the process that it dumps by iptables.
packages=(containerd runc criu containernetworking-plugins iproute2 iptables ca-certificates)

if [ "$(id -u)" -ne 0 ]; then
  echo "this installs packages: run it as root" >&2
  exit 1
fi
if ! command -v apt-get > /dev/null; then
  echo "this needs a Debian or Ubuntu machine: on another, install debootstrap, iproute2, util-linux, RabbitMQ (as" >&2
  echo "/usr/lib/rabbitmq/bin/rabbitmq-server) and docker-registry by hand, and run it again" >&2
  exit 1
fi

missing=()
need() { [ -e "$1" ] || missing+=("$2"); }
need /usr/sbin/debootstrap debootstrap
need /usr/lib/rabbitmq/bin/rabbitmq-server rabbitmq-server
need /usr/bin/docker-registry docker-registry
need "$(command -v ip || echo /usr/sbin/ip)" iproute2
need "$(command -v unshare || echo /usr/bin/unshare)" util-linux
if [ "${#missing[@]}" -gt 0 ]; then
  "$(dirname "$0")/apt-install.sh" "${missing[@]}"
fi

if [ ! -e "$image/.complete" ]; then
  mkdir -p "$home"
  chmod 700 "$home"
  # What an interrupted run left is no image.
  rm -rf "$image" "$home/node-image.new"
  script="/usr/share/debootstrap/scripts/$suite"
  # An older debootstrap does not know the newest suite, which is made like every other.
  [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
  include="$(IFS=,; echo "${packages[*]}")"
  if ! debootstrap --variant=minbase --include="$include" "$suite" "$home/node-image.new" "" "$script" > "$home/debootstrap.log" 2>&1; then
    tail -n 20 "$home/debootstrap.log" >&2
    echo "the nodes' Debian could not be made; the whole log is $home/debootstrap.log" >&2
    exit 1
  fi
  rm -rf "$home"/node-image.new/var/cache/apt/archives/*.deb
  touch "$home/node-image.new/.complete"
  mv "$home/node-image.new" "$image"
fi
chroot "$image" sh -c 'containerd --version; runc --version | head -n 1; criu --version | head -n 1'
