# Sourced by quickstart and test: what both need before they can build.

say() { printf '%s== %s%s\n' "${BOLD-}" "$*" "${PLAIN-}"; }

if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
  BOLD=$'\e[1m' PLAIN=$'\e[0m'
fi

require_node() {
  local major
  major=$(node --version 2>/dev/null | sed -E 's/^v([0-9]+)\..*/\1/')
  if [ "${major:-0}" -lt 20 ]; then
    echo "expected Node.js 20 or newer, got $(node --version 2>/dev/null || echo none); see https://nodejs.org" >&2
    exit 1
  fi
}

# npm ci, but only when the lock file says something new.
install_packages() {
  local stamp=node_modules/.package-lock.json
  if [ -e "$stamp" ] && [ ! package-lock.json -nt "$stamp" ]; then return; fi
  say 'npm ci'
  npm ci --no-audit --no-fund --loglevel=error || exit 1
}
