#!/usr/bin/env bash
# Runs COMMAND with MS2M_TEST_RABBITMQ_URL and MS2M_TEST_RABBITMQ_MANAGEMENT_URL set to an empty RabbitMQ on this machine,
# which ends with it, and MS2M_TEST_RABBITMQ_CTL to a program that is its rabbitmqctl. The server is Debian's
# rabbitmq-server, which is installed where it is missing (as root).
# Usage: scripts/with-rabbitmq.sh COMMAND [ARGUMENT...]
set -euo pipefail

program=/usr/lib/rabbitmq/bin/rabbitmq-server
if [ ! -x "$program" ]; then
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get > /dev/null; then
    echo "rabbitmq-server is missing: install it, or run this as root on Debian" >&2
    exit 1
  fi
  "$(dirname "$0")/apt-install.sh" rabbitmq-server
fi

work="$(mktemp -d)"
chmod 755 "$work"
server=
finish() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
  # The name server that it started, on a port of its own.
  if [ -s "$work/epmd" ]; then kill "$(cat "$work/epmd")" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' 2>/dev/null \
    || echo $((20000 + RANDOM % 20000))
}
amqp="$(free_port)" management="$(free_port)" distribution="$(free_port)" epmd="$(free_port)"
cat > "$work/rabbitmq.conf" <<CONFIGURATION
listeners.tcp.1 = 127.0.0.1:$amqp
management.tcp.ip = 127.0.0.1
management.tcp.port = $management
log.console = true
log.file = false
CONFIGURATION
echo '[rabbitmq_management].' > "$work/plugins"

cat > "$work/rabbitmqctl" <<PROGRAM
#!/bin/sh
exec env HOME="$work" ERL_EPMD_PORT="$epmd" RABBITMQ_NODENAME="ms2m-$$@localhost" /usr/lib/rabbitmq/bin/rabbitmqctl "\$@"
PROGRAM
chmod 755 "$work/rabbitmqctl"

mkfifo "$work/log"
env HOME="$work" ERL_EPMD_PORT="$epmd" ERL_EPMD_ADDRESS=127.0.0.1 \
  RABBITMQ_NODENAME="ms2m-$$@localhost" RABBITMQ_DIST_PORT="$distribution" \
  RABBITMQ_MNESIA_BASE="$work/data" RABBITMQ_LOG_BASE="$work/logs" RABBITMQ_PID_FILE="$work/pid" \
  RABBITMQ_CONFIG_FILE="$work/rabbitmq.conf" RABBITMQ_ENABLED_PLUGINS_FILE="$work/plugins" \
  "$program" > "$work/log" 2>&1 &
server=$!

# The log says when it is ready; the rest is drained so that the server never waits for a reader.
exec 3< "$work/log"
ready=
while IFS= read -r line <&3; do
  if [[ "$line" == *"startup complete"* || "$line" == *"completed with"*"plugins"* ]]; then ready=1; break; fi
  echo "$line" >> "$work/start"
done
if [ -z "$ready" ]; then
  echo "rabbitmq-server did not start:" >&2
  cat "$work/start" >&2
  exit 1
fi
cat <&3 > /dev/null &
exec 3<&-
pgrep -f -- "epmd.*-daemon" | while read -r pid; do
  if tr '\0' '\n' < "/proc/$pid/environ" 2>/dev/null | grep -qx "ERL_EPMD_PORT=$epmd"; then echo "$pid" > "$work/epmd"; fi
done || true

MS2M_TEST_RABBITMQ_URL="amqp://guest:guest@127.0.0.1:$amqp/%2f" MS2M_TEST_RABBITMQ_CTL="$work/rabbitmqctl" \
  MS2M_TEST_RABBITMQ_MANAGEMENT_URL="http://guest:guest@127.0.0.1:$management" "$@"
