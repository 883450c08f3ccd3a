#!/usr/bin/env bash
# Runs COMMAND with MS2M_TEST_KUBECONFIG set to an empty Kubernetes API server on this machine, which ends with it. The
# programs are those of KUBEBUILDER_ASSETS (envtest's), or of target/kubebuilder, which
# scripts/build-kubebuilder-assets.sh makes. No controllers run.
# Usage: scripts/with-apiserver.sh COMMAND [ARGUMENT...]
set -euo pipefail

assets="${KUBEBUILDER_ASSETS:-$(dirname "$0")/../target/kubebuilder}"
for program in etcd kube-apiserver; do
  if [ ! -x "$assets/$program" ]; then
    echo "$assets has no $program: set KUBEBUILDER_ASSETS, or run scripts/build-kubebuilder-assets.sh" >&2
    exit 1
  fi
done

work="$(mktemp -d)"
etcd=
server=
finish() {
  for process in $server $etcd; do kill "$process" 2>/dev/null || true; wait "$process" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

free_ports() {
  python3 -c '
import socket
sockets = [socket.socket() for _ in range(3)]
for one in sockets: one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in sockets))'
}
read -r client_port peer_port port <<< "$(free_ports)"

"$assets/etcd" --data-dir="$work/etcd" --listen-client-urls="http://127.0.0.1:$client_port" \
  --advertise-client-urls="http://127.0.0.1:$client_port" --listen-peer-urls="http://127.0.0.1:$peer_port" \
  > "$work/etcd.log" 2>&1 &
etcd=$!
openssl genpkey -quiet -algorithm RSA -out "$work/accounts.key" 2> "$work/openssl.log" \
  || openssl genrsa -out "$work/accounts.key" 2> "$work/openssl.log"
openssl rsa -in "$work/accounts.key" -pubout -out "$work/accounts.pub" 2>> "$work/openssl.log"
echo 'tester,tester,tester,system:masters' > "$work/tokens.csv"
"$assets/kube-apiserver" --etcd-servers="http://127.0.0.1:$client_port" --bind-address=127.0.0.1 --secure-port="$port" \
  --cert-dir="$work" --token-auth-file="$work/tokens.csv" --authorization-mode=RBAC \
  --service-cluster-ip-range=10.99.0.0/16 --service-account-issuer="https://127.0.0.1:$port" \
  --service-account-key-file="$work/accounts.pub" --service-account-signing-key-file="$work/accounts.key" \
  --disable-admission-plugins=ServiceAccount --etcd-compaction-interval=4s > "$work/server.log" 2>&1 &
server=$!

cat > "$work/kubeconfig" <<CONFIGURATION
apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: "https://127.0.0.1:$port", insecure-skip-tls-verify: true}}]
contexts: [{name: test, context: {cluster: test, user: tester}}]
users: [{name: tester, user: {token: tester}}]
CONFIGURATION

ready() {
  python3 - "$port" 2>/dev/null <<'PYTHON'
import ssl, sys, urllib.request
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
request = urllib.request.Request(f"https://127.0.0.1:{sys.argv[1]}/readyz", headers={"Authorization": "Bearer tester"})
urllib.request.urlopen(request, timeout=2, context=context)
PYTHON
}
for _ in $(seq 300); do
  if ready; then
    MS2M_TEST_KUBECONFIG="$work/kubeconfig" "$@"
    exit
  fi
  if ! kill -0 "$server" 2>/dev/null; then break; fi
  sleep 0.2
done
tail -n 20 "$work/etcd.log" "$work/server.log" >&2
echo "the API server did not become ready" >&2
exit 1
