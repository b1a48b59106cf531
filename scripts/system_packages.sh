#!/bin/sh
# Installs the programs that tests and benchmarks run as peers, by package name, if we may.
# Otherwise names them: the tests that need them are skipped visibly and counted at the end.
set -u
missing=""
for pair in postfix:postfix opendkim:opendkim swaks:swaks wrk:wrk chromium:chromium; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || [ -x "/usr/sbin/${pair%%:*}" ] || missing="$missing ${pair##*:}"
done
# Its programs are on no PATH.
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing Debian packages used as peers by tests and benchmarks:$missing (no service is enabled)"
  export DEBIAN_FRONTEND=noninteractive
  # policy-rc.d keeps the packages' own services from starting while they are installed.
  [ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; made=1; }
  # Nor does postgresql make a cluster, which would start with the machine.
  clusters=/etc/postgresql-common/createcluster.d/merpati-tests.conf
  mkdir -p "${clusters%/*}" && echo "create_main_cluster = false" > "$clusters"
  apt-get update -qq >/dev/null 2>&1
  # shellcheck disable=SC2086
  apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 \
    || echo "Could not install:$missing. The tests that need them will be skipped." >&2
  [ -z "${made:-}" ] || rm -f /usr/sbin/policy-rc.d
  rm -f "$clusters"
else
  echo "Not installed:$missing. Install them (Debian: apt-get install$missing) to run every test; those that need them are skipped and counted at the end." >&2
fi
exit 0
