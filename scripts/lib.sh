# shellcheck shell=bash
# Shared by the scripts. Source it: it sets `root` (the repository) and defines functions only.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Clones share what they compiled: ccache treats paths below this folder as relative.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1

# Prints a progress line, with the seconds since the script started.
say() { printf '[%4ds] %s\n' "$SECONDS" "$*" >&2; }

# Prints one line that says what is wrong, and exits.
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# as_root COMMAND...: runs it directly as root, else with sudo. If neither works, the caller
# explains what to do by hand, since only it knows.
can_be_root() { [[ $EUID -eq 0 ]] || command -v sudo >/dev/null; }
as_root() {
  if [[ $EUID -eq 0 ]]; then "$@"; else sudo "$@"; fi
}

# Prints the packages of the named groups of scripts/packages, under this Debian's names.
packages_of() {
  local group debian
  debian=$(. /etc/os-release && echo "$VERSION_ID")
  for group in "$@"; do
    awk -v group="[$group]" -v debian="$debian" '
      FNR == NR { if ($1 == debian) other[$2] = $3; next }
      /^\[/ { here = ($0 == group) }
      /^[a-z]/ && here { print $0 in other ? other[$0] : $0 }
    ' "$root/versions/packages" "$root/scripts/packages"
  done
}

# ensure_packages GROUP...: installs what is missing, and changes nothing if nothing is.
ensure_packages() {
  local wanted missing=() package
  command -v dpkg-query >/dev/null ||
    die "this is not a Debian machine: install by hand what scripts/packages lists"
  mapfile -t wanted < <(packages_of "$@")
  for package in "${wanted[@]}"; do
    # shellcheck disable=SC2016  # dpkg-query's own variables
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
      missing+=("$package")
  done
  [[ ${#missing[@]} -eq 0 ]] && return
  can_be_root ||
    die "no sudo here: run as root: apt-get install --no-install-recommends ${missing[*]}"
  say "installing ${#missing[@]} packages: ${missing[*]}"
  as_root "$root/scripts/install-packages" "${missing[@]}" ||
    die "the packages could not be installed; by hand: apt-get install --no-install-recommends ${missing[*]}"
}

# ensure_node: accepts any node and npm on the machine, and installs Debian's if there are none.
ensure_node() {
  command -v node >/dev/null && command -v npm >/dev/null || ensure_packages node npm
}

# One compiler per core, but no more than fit into memory: one that parses RESTinio takes up to 1.5
# GB.
build_jobs() {
  local cores memory_kb
  cores=$(nproc)
  memory_kb=$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)
  local fit=$((memory_kb / 1500000))
  ((fit < 1)) && fit=1
  echo $((fit < cores ? fit : cores))
}

# build PRESET [TARGET...]: configures and builds; the full output is in build/PRESET/build.log. The
# array `configure_options` holds further `cmake` options for the configuration.
configure_options=(-DBUILD_TESTING=ON)
build() {
  local preset=$1 targets=() log
  shift
  [[ $# -gt 0 ]] && targets=(--target "$@")
  log=build/$preset/build.log
  say "building $preset: ${*:-everything} (log: $log)"
  mkdir -p "$root/build/$preset"
  (
    cd "$root" || exit 1
    set -o pipefail
    export NINJA_STATUS='[%f/%t, %es] '
    {
      cmake --preset "$preset" "${configure_options[@]}" >"$log" 2>&1 || {
        cat "$log"
        exit 1
      }
      cmake --build --preset "$preset" -j "$(build_jobs)" "${targets[@]}" 2>&1 | tee -a "$log" |
        grep --line-buffered -E '^\[[0-9]+/[0-9]+|^ninja: no work' >&2
      exit "${PIPESTATUS[0]}"
    }
  ) || {
    grep -m 12 -E -A 3 '(error|Error|undefined reference|CMake Error)' "$root/$log" >&2
    die "the build of $preset failed; the whole log is $log"
  }
}
