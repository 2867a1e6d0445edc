#!/usr/bin/env bash
# Runs a command with everything that SAM CLI needs, and brings what is missing:
#
#   infra/sam/run.sh COMMAND…
#
# SAM CLI and cfn-lint come from PyPI into a virtual environment of their own.
# Where no Docker engine runs, one is installed (root, on Debian), started with
# data and socket of its own, and stopped at the end. Where the image that SAM
# builds on cannot be pulled, one is made from busybox under its name: our
# binaries are static and need nothing else. In somebody else's engine it is
# removed again.
#
# The command finds in STEPLINE_TEST_GATEWAY the address under which containers
# reach this machine, and in ARCH the architecture of both.
set -euo pipefail

cache=${XDG_CACHE_HOME:-$HOME/.cache}/stepline
sam=1.170.0 lint=1.58.0
venv=$cache/sam-$sam-$lint
mkdir -p "$cache"

case $(uname -m) in
x86_64) export ARCH=x86_64 ;;
aarch64 | arm64) export ARCH=arm64 ;;
*) echo "SAM's functions run on x86_64 and arm64, not on $(uname -m)" >&2; exit 1 ;;
esac

# installed COMMAND PACKAGE: by apt, where it is missing and may be installed.
installed() {
	command -v "$1" >/dev/null && return
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "missing $1: install the package $2 (Debian) or its like" >&2
		return 1
	fi
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$2" >/dev/null 2>"$cache/apt.log" ||
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$2"; } >"$cache/apt.log" 2>&1 ||
		{ cat "$cache/apt.log" >&2; return 1; }
}

# The folder gets its name when it is complete.
cli() {
	[ -x "$venv/bin/sam" ] && [ -x "$venv/bin/cfn-lint" ] && return
	installed python3 python3-venv
	python3 -c 'import ensurepip' 2>/dev/null || installed no-such-command python3-venv
	rm -rf "$venv" && python3 -m venv "$venv"
	"$venv/bin/pip" install -q --disable-pip-version-check "cfn-lint==$lint" "aws-sam-cli==$sam" ||
		{ rm -rf "$venv"; return 1; }
}

work=$(mktemp -d /tmp/stepline-sam.XXXXXX) # short: a socket's path has 107 bytes at most
engine= made=
stop() {
	if [ -z "$engine" ] && [ -n "$made" ]; then forget; fi
	if [ -n "$engine" ]; then kill "$engine" 2>/dev/null && wait "$engine" 2>/dev/null; fi
	rm -rf "$work"
}
trap stop EXIT

start_engine() {
	docker version >/dev/null 2>&1 && return
	installed dockerd docker.io
	export DOCKER_HOST=unix://$work/docker.sock
	dockerd --data-root "$cache/engine" --exec-root "$work/run" --pidfile "$work/pid" --bip 172.17.0.1/16 --host "$DOCKER_HOST" >"$cache/engine.log" 2>&1 &
	engine=$!
	for _ in $(seq 120); do
		docker version >/dev/null 2>&1 && return
		kill -0 "$engine" 2>/dev/null || break
		sleep 0.5
	done
	echo "the Docker engine does not start:" >&2
	tail -n 20 "$cache/engine.log" >&2
	return 1
}

image=public.ecr.aws/lambda/provided:al2023-$ARCH

# forget removes the image that was made here and the one that SAM built on it.
forget() {
	local tag
	for tag in "$image" "${image/al2023/al2023-rapid}"; do docker image rm -f "$tag" >/dev/null 2>&1 || true; done
}

# What SAM's own runtime emulator needs of a base image: sh, mv and chmod; the
# functions: certificates, a name service that looks into /etc/hosts, and what
# Lambda itself sets in the environment. An engine of our own may hold one that
# an earlier version of this script made: it is made anew.
base_image() {
	local root=$work/root tool
	if [ -n "$engine" ]; then
		forget
	elif docker image inspect "$image" >/dev/null 2>&1 || docker pull -q "$image" >/dev/null 2>&1; then
		return
	fi
	installed busybox busybox-static
	mkdir -p "$root"/{bin,dev,etc/ssl/certs,opt,proc,root,sys,tmp,usr/bin,var/runtime,var/task}
	chmod 1777 "$root/tmp"
	cp "$(command -v busybox)" "$root/bin/busybox"
	for tool in sh mv chmod cp ls cat; do ln -s busybox "$root/bin/$tool"; done
	if [ -f /etc/ssl/certs/ca-certificates.crt ]; then cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"; fi
	echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
	echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
	tar -C "$root" -c . | docker import -c 'WORKDIR /var/task' -c 'ENV PATH=/bin:/usr/bin:/opt/bin TZ=:UTC LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime' - "$image" >/dev/null
	made=$image
}

cli
export PATH=$venv/bin:$PATH
start_engine
base_image
STEPLINE_TEST_GATEWAY=$(docker network inspect bridge --format '{{(index .IPAM.Config 0).Gateway}}')
export STEPLINE_TEST_GATEWAY SAM_SKIP_PULL_IMAGE=true SAM_CLI_TELEMETRY=0 AWS_EC2_METADATA_DISABLED=true
export AWS_DEFAULT_REGION=eu-central-1 AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local

"$@"
