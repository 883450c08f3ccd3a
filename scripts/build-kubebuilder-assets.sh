#!/usr/bin/env bash
# Makes the folder that KUBEBUILDER_ASSETS names, where setup-envtest cannot download it: etcd from Debian's package, and
# kube-apiserver built from the source of Debian 12's package kubernetes, the last one that has all of it (v1.20.2). Takes
# some minutes and 3 GB below /tmp. Idempotent.
# Usage: scripts/build-kubebuilder-assets.sh [FOLDER]    (as root on Debian 12; FOLDER is target/kubebuilder by default)
set -euo pipefail
cd "$(dirname "$0")/.."

suite=bookworm
version=v1.20.2
folder="${1:-target/kubebuilder}"
if [ -x "$folder/kube-apiserver" ] && [ -x "$folder/etcd" ]; then
  echo "$folder is there already"
  exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get > /dev/null; then
  echo "this installs packages: run it as root on Debian 12, or use setup-envtest" >&2
  exit 1
fi

work="$(mktemp -d)"
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

scripts/apt-install.sh etcd-server golang-go golang-github-modern-go-reflect2-dev

# Most machines have lists of binary packages only: this one reads the source's, from the same mirror.
mirror="$(apt-get indextargets --format '$(SITE) $(RELEASE)' | awk -v suite="$suite" '$2 == suite { print $1; exit }')"
if [ -z "$mirror" ]; then
  echo "apt knows no mirror of Debian's $suite: add it, or use setup-envtest" >&2
  exit 1
fi
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb-src [signed-by=$keyring] $mirror $suite main" > "$work/sources.list"
mkdir -p "$work/lists/partial"
apt=(apt-get --quiet --quiet -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
  -o "Dir::State::Lists=$work/lists" -o APT::Sandbox::User=root)
"${apt[@]}" update
(cd "$work" && "${apt[@]}" source --download-only --only-source kubernetes)

tree="$work/go/src/k8s.io/kubernetes"
mkdir -p "$tree"
tar --extract --file "$(ls "$work"/kubernetes_*.orig.tar.*)" --directory "$tree" --strip-components=1
cd "$tree"

# It was written for Go 1.15, whose reflection told an empty string from its type's zero value, and whose maps were iterated
# in another way than the copy of reflect2 in it knows.
zero='reflect.DeepEqual(reflect.Zero(reflect.TypeOf(data)), reflect.ValueOf(data))'
validator=vendor/k8s.io/kube-openapi/pkg/validation/validate/type.go
grep --quiet --fixed-strings "$zero" "$validator"
sed -i 's/if data == nil || reflect.DeepEqual.*{$/if data == nil {/' "$validator"
rm -r vendor/github.com/modern-go/reflect2
cp --recursive --dereference /usr/share/gocode/src/github.com/modern-go/reflect2 vendor/github.com/modern-go/
rm -f vendor/github.com/modern-go/reflect2/*_test.go

export GOPATH="$work/go" GOCACHE="$work/cache" GO111MODULE=off GOFLAGS= CGO_ENABLED=0
# The package lacks one generated file: the OpenAPI definitions, which server-side apply reads.
inputs="$(grep --recursive --files-with-matches --include='*.go' '+k8s:openapi-gen=' staging/src/k8s.io pkg cmd/kube* vendor/k8s.io/*/ \
  | xargs -n 1 dirname | sort -u | grep -v -e testdata -e kube-openapi/ -e code-generator -e sample- -e metrics/pkg \
  | sed -e 's|^staging/src/|vendor/|' -e 's|^|k8s.io/kubernetes/|' | sort -u | paste --serial --delimiters=,)"
go build -o "$work/openapi-gen" k8s.io/kubernetes/vendor/k8s.io/kube-openapi/cmd/openapi-gen
"$work/openapi-gen" --go-header-file hack/boilerplate/boilerplate.generatego.txt --input-dirs "$inputs" \
  --output-package k8s.io/kubernetes/pkg/generated/openapi --output-file-base zz_generated.openapi \
  --report-filename "$work/violations" --output-base "$work/go/src"

stamp="-X k8s.io/kubernetes/vendor/k8s.io/component-base/version.gitVersion=$version"
go build -ldflags "-s -w $stamp" -o "$work/kube-apiserver" k8s.io/kubernetes/cmd/kube-apiserver

cd - > /dev/null
mkdir -p "$folder"
cp /usr/bin/etcd "$work/kube-apiserver" "$folder/"
echo "$folder: $("$folder/etcd" --version | head -n 1), kube-apiserver $("$folder/kube-apiserver" --version)"
