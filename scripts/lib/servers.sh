# Sourced by test: the real servers that the integration tests put behind lb4.

# command:Debian package
SERVERS='zsh:zsh chromium:chromium redis-server:redis-server redis-cli:redis-tools redis-benchmark:redis-tools initdb:postgresql
  promtool:prometheus pgbench:postgresql-contrib systemd-socket-activate:systemd dnsmasq:dnsmasq-base dig:dnsutils haproxy:haproxy nginx:nginx
  nft:nftables ip:iproute2'

# PostgreSQL keeps its server programs out of PATH.
have() {
  command -v "$1" >/dev/null || compgen -G "/usr/sbin/$1" >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null
}

missing_packages() {
  local pair
  for pair in $SERVERS; do
    have "${pair%%:*}" || echo "${pair##*:}"
  done | sort -u
}

# Installs what is missing where that is possible; what is still missing makes its tests skip, or fail with CI=true.
install_servers() {
  local packages
  packages=$(missing_packages)
  [ -n "$packages" ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "missing, and only root can install them with apt-get: $(echo $packages)"
    return 0
  fi
  case $packages in *nginx*) packages="$packages libnginx-mod-stream" ;; esac
  say "apt-get install $(echo $packages)"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq </dev/null >/dev/null || say 'apt-get update failed; trying what is known'
  # Servers are started by the tests; that no service starts by itself is left to the policy of the machine.
  # shellcheck disable=SC2086
  apt-get install -y -qq --no-install-recommends $packages </dev/null >/dev/null || say 'apt-get install failed'
  packages=$(missing_packages)
  [ -z "$packages" ] || say "still missing: $(echo $packages)"
}
