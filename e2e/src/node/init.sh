# The first process of a node, in namespaces of its own; becomes its containerd.
# Arguments: name, image (a Debian root, read only), data (this node's own files), pod subnet, CA, cgroup controllers (v1).
set -eu
name=$1 image=$2 data=$3 subnet=$4 ca=$5 controllers=$6

hostname "$name"
mount --make-rprivate /
mkdir -p "$data/changes" "$data/work" "$data/root" "$data/containerd" "$data/kubelet"
mount -t overlay overlay -o "lowerdir=$image,upperdir=$data/changes,workdir=$data/work" "$data/root"
cd "$data/root"
mkdir -p mnt var/lib/containerd var/lib/kubelet etc/cni/net.d etc/criu
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
# The snapshots are overlays themselves: those need a real file system below.
mount --bind "$data/containerd" var/lib/containerd
mount --bind "$data/kubelet" var/lib/kubelet
if [ -n "$controllers" ]; then
  mount -t tmpfs tmpfs sys/fs/cgroup
  for controller in $controllers; do
    mkdir "sys/fs/cgroup/$controller"
    mount -t cgroup -o "$controller" cgroup "sys/fs/cgroup/$controller"
  done
  mkdir sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
else
  mount -t cgroup2 cgroup2 sys/fs/cgroup
fi

cp "$ca" etc/registry-ca.crt
# Every pod gets copies of these.
echo "127.0.0.1 localhost" > etc/hosts
: > etc/resolv.conf
# The application's connections end with the checkpoint; the restored copy finds them closed and connects anew.
echo tcp-close > etc/criu/runc.conf
cat > etc/cni/net.d/10-pods.conflist <<NETWORK
{"cniVersion": "1.0.0", "name": "pods", "plugins": [{
  "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
  "ipam": {"type": "host-local", "ranges": [[{"subnet": "$subnet"}]], "routes": [{"dst": "0.0.0.0/0"}]}
}]}
NETWORK
cat > etc/containerd.toml <<CONTAINERD
version = 3
[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = '$PAUSE_IMAGE'
[plugins.'io.containerd.cri.v1.runtime']
  # Without CAP_SYS_RESOURCE a score cannot be lowered.
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['/usr/lib/cni']
    conf_dir = '/etc/cni/net.d'
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = false
CONTAINERD

pivot_root . mnt
exec chroot . /bin/sh -euc '
  umount -l /mnt
  mount --make-rshared /
  mkdir -p /run/containerd /run/netns /run/lock /var/log/pods /var/lib/kubelet/checkpoints
  ip link set lo up
  echo 1 > /proc/sys/net/ipv4/ip_forward
  export SSL_CERT_FILE=/etc/registry-ca.crt PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  containerd --config /etc/containerd.toml &
  wait
'
