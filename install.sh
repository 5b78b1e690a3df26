#!/usr/bin/env bash
# Installs Guke and starts it; run again, it upgrades in place. `./install.sh --help` says the rest.
#
# Layout: PREFIX/versions/<version>-<time>/ is one complete Python environment, PREFIX/current points at the one in use,
# so an upgrade is the switch of one link and a failed one switches back. The data folder is never inside a version.
set -eu

HERE=$(cd "$(dirname "$0")" && pwd)
PREFIX='' DATA='' PORT='' HOST='' SERVICE=auto DEMO=no START=yes
SERVICE_USER=guke
UNIT=/etc/systemd/system/guke.service
HEALTH_SECONDS=60

# ---------------------------------------------------------------------------------------------------------- words

case "${LC_ALL:-${LC_MESSAGES:-${LANG:-}}}" in zh*) CHINESE=yes ;; *) CHINESE=no ;; esac

# The last lines of the log, before a sentence that points at it.
why() { tail -n "${1:-3}" "$LOG" >&2 || true; }

# say ZH EN
say() { if [ "$CHINESE" = yes ]; then printf '%s\n' "$1"; else printf '%s\n' "$2"; fi; }
fail() {
    say "错误：$1" "Error: $2" >&2
    exit 1
}

usage() {
    say "用法：./install.sh [选项]
  安装并启动固客（Guke）；再次运行即原地升级。数据绝不会被覆盖。
  --prefix 目录    程序目录（默认：作为服务 /opt/guke；否则 ~/.local/share/guke）
  --data 目录      数据目录（默认：作为服务 /var/lib/guke；否则 程序目录/data）
  --port 端口      默认 8080
  --host 地址      监听地址；默认 0.0.0.0，即局域网可访问；仅本机用 127.0.0.1
  --no-service     不安装系统服务，在前台运行
  --no-start       只安装或升级，不启动（前台模式）
  --demo           载入示例数据（仅限新的数据目录）
  --test [参数…]   建立临时环境并运行全部检查和测试；参数传给 pytest
  --help           显示本说明
离线安装：用 packaging/make-bundle.sh 制作的离线包，解开后运行其中的 install.sh。
下载慢时可指定镜像：PIP_INDEX_URL=https://镜像地址/simple ./install.sh" \
        "Usage: ./install.sh [options]
  Installs Guke and starts it; run again, it upgrades in place. Data is never overwritten.
  --prefix DIR     program folder (default: /opt/guke as a service, else ~/.local/share/guke)
  --data DIR       data folder (default: /var/lib/guke as a service, else PREFIX/data)
  --port PORT      8080 unless told
  --host ADDRESS   address to listen on; 0.0.0.0 (the whole LAN) unless told; 127.0.0.1 for this machine only
  --no-service     no system service: run in the foreground
  --no-start       install or upgrade only, do not start (foreground mode)
  --demo           load sample data (a new data folder only)
  --test [ARGS…]   make a throw-away environment and run all checks and tests; ARGS go to pytest
  --help           this text
Offline: make a bundle with packaging/make-bundle.sh, unpack it there and run the install.sh in it.
A mirror for slow lines: PIP_INDEX_URL=https://MIRROR/simple ./install.sh"
}

# --------------------------------------------------------------------------------------------------------- python

is_root() { [ "$(id -u)" = 0 ]; }
has_apt() { command -v apt-get >/dev/null 2>&1; }

APT_FRESH=no
apt_install() {
    if [ "$APT_FRESH" = no ]; then
        DEBIAN_FRONTEND=noninteractive apt-get update -q >>"$LOG" 2>&1 || return 1
        APT_FRESH=yes
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >>"$LOG" 2>&1
}

python_is_new_enough() {
    "$1" -c 'import sys, sqlite3, venv; sys.exit(sys.version_info < (3, 11) or sqlite3.sqlite_version_info < (3, 35))' \
        >/dev/null 2>&1
}

# The service runs as a user of its own, who cannot read a Python in somebody's home.
python_is_for_everybody() {
    [ "$SERVICE" = no ] || "$1" -c 'import sys; sys.exit(sys.base_prefix.startswith(("/root/", "/home/")))'
}

# A bundle brings pip as a wheel and does without ensurepip (Debian packs that apart, as python3-venv).
python_has_pip() { [ -n "$(bundled_pip)" ] || "$1" -c 'import ensurepip' >/dev/null 2>&1; }
bundled_pip() { find "$HERE/packaging/wheels" -name 'pip-*.whl' 2>/dev/null | head -n 1; }

find_python() {
    for candidate in /usr/bin/python3 /usr/bin/python3.13 /usr/bin/python3.12 /usr/bin/python3.11 \
        python3 python3.13 python3.12 python3.11; do
        path=$(command -v "$candidate" 2>/dev/null) || continue
        if python_is_new_enough "$path" && python_is_for_everybody "$path" && python_has_pip "$path"; then
            PYTHON=$path
            return 0
        fi
    done
    return 1
}

need_python() {
    find_python && return
    if is_root && has_apt; then
        say "正在用 apt 安装 Python……" "Installing Python with apt …"
        apt_install python3 python3-venv && find_python && return
        # Ubuntu 22.04's own python3 is 3.10; 3.11 and later stand beside it.
        for version in 3.13 3.12 3.11; do
            apt_install "python$version" "python$version-venv" && find_python && return
        done
        fail "apt 装不上 Python 3.11 或更新版本。请检查软件源后重试；详情见 $LOG" \
            "apt could not install Python 3.11 or newer. Check the package sources and try again; details are in $LOG"
    fi
    fail "缺少 Python 3.11 或更新版本及其 venv 模块。请管理员运行：
    sudo apt-get install python3 python3-venv
（Ubuntu 22.04：sudo apt-get install python3.11 python3.11-venv），然后再次运行本脚本。" \
        "Python 3.11 or newer with its venv module is missing. Ask an administrator to run
    sudo apt-get install python3 python3-venv
(on Ubuntu 22.04: sudo apt-get install python3.11 python3.11-venv), then run this script again."
}

# make_venv DIR
make_venv() {
    wheel=$(bundled_pip)
    if [ -n "$wheel" ]; then
        "$PYTHON" -m venv --without-pip "$1" >>"$LOG" 2>&1
    else
        "$PYTHON" -m venv "$1" >>"$LOG" 2>&1
    fi
}

# run_pip VENV ARGS…
run_pip() {
    venv=$1
    shift
    wheel=$(bundled_pip)
    if [ -n "$wheel" ]; then
        PYTHONPATH="$wheel" "$venv/bin/python" -m pip --no-input --disable-pip-version-check "$@" >>"$LOG" 2>&1
    else
        "$venv/bin/python" -m pip --no-input --disable-pip-version-check "$@" >>"$LOG" 2>&1
    fi
}

# ----------------------------------------------------------------------------------------------------------- tests

have_cjk_font() { command -v fc-list >/dev/null 2>&1 && [ -n "$(fc-list :lang=zh 2>/dev/null)" ]; }

# Ubuntu's chromium packages are stubs that ask for a snap.
have_chromium() {
    [ -n "${GUKE_CHROMIUM:-}" ] && return 0
    for name in chromium chromium-browser google-chrome; do
        path=$(command -v "$name" 2>/dev/null) || continue
        grep -q 'snap install chromium' "$path" 2>/dev/null || return 0
    done
    return 1
}

run_tests() {
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/guke-test.XXXXXX")
    trap 'rm -rf "$WORK"' EXIT
    LOG=$WORK/install.log
    SERVICE=no
    need_python
    say "正在准备测试环境……" "Preparing the test environment …"
    if is_root && has_apt; then
        have_cjk_font || apt_install fontconfig fonts-wqy-zenhei || true
        have_chromium || apt_install chromium || true
    fi
    make_venv "$WORK/venv" || fail "无法建立测试环境：$(tail -n 3 "$LOG")" "no test environment: $(tail -n 3 "$LOG")"
    if ! run_pip "$WORK/venv" install -c "$HERE/packaging/constraints.txt" -e "${HERE}[test]"; then
        why 15
        fail "无法安装测试所需的软件包，请检查网络或用 PIP_INDEX_URL 指定镜像。" \
            "the packages that the tests need could not be installed. Check the network, or name a mirror in PIP_INDEX_URL."
    fi
    # The tests start many processes: compiled once, outside the checkout, they start in half the time.
    unset PYTHONDONTWRITEBYTECODE
    export PATH="$WORK/venv/bin:$PATH" PYTHONUTF8=1 PYTHONPYCACHEPREFIX="$WORK/pyc"
    if ! have_chromium; then
        playwright install --with-deps chromium >>"$LOG" 2>&1 || playwright install chromium >>"$LOG" 2>&1 ||
            fail "浏览器测试需要 Chromium。请安装它，或用 GUKE_CHROMIUM 指明其路径。" \
                "the browser tests need Chromium. Install it, or name it in GUKE_CHROMIUM."
    fi
    cd "$HERE"
    if [ $# -gt 0 ]; then
        pytest "$@"
        return
    fi
    checks=0
    ruff check . || checks=1
    ruff format --check . || checks=1
    mypy || checks=1
    lint-imports || checks=1
    bandit -q -c pyproject.toml -r appliance || checks=1
    [ "$checks" = 0 ] || say "静态检查没有通过（见上）。" "The static checks did not pass (see above)." >&2
    tests=0
    pytest -q -n auto --dist worksteal tests || tests=$?
    [ "$tests" = 0 ] || return "$tests"
    return "$checks"
}

# --------------------------------------------------------------------------------------------------------- install

source_version() {
    if [ -f "$HERE/appliance/__init__.py" ]; then
        sed -n 's/^__version__ = "\(.*\)"/\1/p' "$HERE/appliance/__init__.py"
    else
        find "$HERE/packaging/wheels" -name 'guke-*.whl' | sed -n 's/.*guke-\([^-]*\)-.*/\1/p' | head -n 1
    fi
}

# Builds a new version folder beside the one in use; what is running is not touched.
build_version() {
    NEW=$PREFIX/versions/$VERSION-$(date +%Y%m%d%H%M%S)
    mkdir -p "$PREFIX/versions"
    UNFINISHED=$NEW
    say "正在安装固客 $VERSION……" "Installing Guke $VERSION …"
    make_venv "$NEW" || fail "无法建立 Python 环境，详情见 $LOG" "no Python environment could be made; details are in $LOG"
    if [ -d "$HERE/packaging/wheels" ]; then
        run_pip "$NEW" install --no-index --find-links "$HERE/packaging/wheels" "guke==$VERSION" ||
            fail "离线包不完整，或不适合这台机器的 Python（$("$PYTHON" -V)）；详情见 $LOG" \
                "the offline bundle is incomplete or not for this machine's $("$PYTHON" -V); details are in $LOG"
    else
        # Built from a copy, so that the folder this script is in may be read-only and stays clean.
        copy=$(mktemp -d "${TMPDIR:-/tmp}/guke-build.XXXXXX")
        mkdir "$copy/packaging"
        (cd "$HERE" && cp -R appliance templates static pyproject.toml README.md LICENSE "$copy/" &&
            cp packaging/compile_translations.py "$copy/packaging/")
        done=yes
        run_pip "$NEW" install -c "$HERE/packaging/constraints.txt" "$copy" || done=no
        rm -rf "$copy"
        if [ "$done" = no ]; then
            why 4
            fail "软件包没有下载成功。请检查网络；可用 PIP_INDEX_URL 指定镜像，或使用离线包（见 --help）。原有版本未受影响。详情见 $LOG" \
                "the Python packages could not be downloaded. Check the network, name a mirror in PIP_INDEX_URL, or use the offline bundle (--help). What was installed before is untouched. Details are in $LOG"
        fi
    fi
    "$NEW/bin/guke" version >>"$LOG" 2>&1 ||
        fail "新版本无法运行，原有版本未受影响；详情见 $LOG" "the new version does not run; what was installed before is untouched. Details are in $LOG"
}

# Runs a version's guke on the data folder, as the user who owns it.
guke() {
    version_dir=$1
    shift
    if [ "$SERVICE" = yes ]; then
        runuser -u "$SERVICE_USER" -- env GUKE_DATA="$DATA" "$version_dir/bin/guke" "$@"
    else
        GUKE_DATA=$DATA "$version_dir/bin/guke" "$@"
    fi
}

# switch_to VERSION_DIR: one rename, so there is never a moment without a current version.
switch_to() {
    ln -sfn "$1" "$PREFIX/current.new"
    mv -T "$PREFIX/current.new" "$PREFIX/current"
}

# Keeps the version before, for the way back, and the last three backups that upgrades made.
prune_versions() {
    find "$DATA/backups" -maxdepth 1 -name 'before-*.db' 2>/dev/null | sort -r | tail -n +4 | while read -r old; do rm -f "$old"; done
    find "$PREFIX/versions" -mindepth 1 -maxdepth 1 -type d ! -path "$NEW" ! -path "${OLD:-none}" -exec rm -rf {} +
}

healthy() {
    "$NEW/bin/python" - "$PORT" "$HOST" >/dev/null 2>&1 <<'P'
import sys, urllib.request
port, host = sys.argv[1:]
host = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
sys.exit(opener.open(f"http://{f'[{host}]' if ':' in host else host}:{port}/healthz", timeout=3).status != 200)
P
}

# wait_healthy [PID]: until /healthz answers; gives up early when the process is gone.
wait_healthy() {
    tries=0
    while [ "$tries" -lt $((HEALTH_SECONDS * 5)) ]; do
        healthy && return 0
        if [ $# -gt 0 ] && ! kill -0 "$1" 2>/dev/null; then return 1; fi
        sleep 0.2
        tries=$((tries + 1))
    done
    return 1
}

port_in_use() {
    "$PYTHON" - "$PORT" "$HOST" <<'P'
import socket, sys
port, host = int(sys.argv[1]), sys.argv[2]
with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((host, port))
    except OSError:
        sys.exit(0)
sys.exit(1)
P
}

running_pid() {
    pid=$(cat "$PREFIX/serve.pid" 2>/dev/null) || return 1
    [ -n "$pid" ] && grep -qa "$PREFIX/" "/proc/$pid/cmdline" 2>/dev/null && echo "$pid"
}

stop_running() {
    if [ "$SERVICE" = yes ]; then
        systemctl stop guke.service >>"$LOG" 2>&1 || true
    elif pid=$(running_pid); then
        kill "$pid" 2>/dev/null || true
        tries=0
        while kill -0 "$pid" 2>/dev/null; do
            tries=$((tries + 1))
            [ "$tries" -lt 100 ] || fail "正在运行的固客（进程 $pid）没有停下来，请先停止它。" "the running Guke (process $pid) does not stop; stop it first."
            sleep 0.2
        done
    fi
}

is_running() {
    if [ "$SERVICE" = yes ]; then systemctl -q is-active guke.service; else running_pid >/dev/null; fi
}

addresses() {
    case $HOST in
    0.0.0.0 | ::) { hostname -I 2>/dev/null || true; } | tr ' ' '\n' | grep -E '^[0-9]+(\.[0-9]+){3}$' |
        grep -vE '^(127\.|169\.254\.|172\.17\.)' | head -n 4 ;;
    *) echo "$HOST" ;;
    esac
}

first_address() {
    found=$(addresses | head -n 1)
    echo "${found:-127.0.0.1}"
}

announce() {
    say "固客 $VERSION 已在运行：" "Guke $VERSION is running:"
    for address in $(addresses) ; do echo "    http://$address:$PORT/"; done
    [ -n "$(addresses)" ] || echo "    http://127.0.0.1:$PORT/"
    link=$(guke "$NEW" setup-link --url "http://$(first_address):$PORT" 2>>"$LOG") || link=''
    if [ -n "$link" ]; then
        say "请打开下面的一次性链接，设置第一位管理员的姓名和密码：" "Open this one-time link to choose the first administrator's name and password:"
        echo "    $link"
    fi
    if command -v ufw >/dev/null 2>&1 && is_root && ufw status 2>/dev/null | grep -q '^Status: active'; then
        say "防火墙 ufw 已启用；如需局域网访问，请运行：ufw allow $PORT/tcp" "The ufw firewall is on; to let the LAN in, run: ufw allow $PORT/tcp"
    fi
}

remember() {
    {
        echo "DATA=$DATA"
        echo "HOST=$HOST"
        echo "PORT=$PORT"
    } >"$PREFIX/install.conf.new"
    mv "$PREFIX/install.conf.new" "$PREFIX/install.conf"
}

remembered() { sed -n "s/^$1=//p" "$PREFIX/install.conf" 2>/dev/null | head -n 1; }

write_command() {
    target=$1
    {
        echo '#!/bin/sh'
        echo "# guke on this installation's data; written by install.sh"
        echo "GUKE_DATA=\${GUKE_DATA:-'$DATA'}"
        echo 'export GUKE_DATA'
        if [ "$SERVICE" = yes ]; then
            echo "[ \"\$(id -u)\" != 0 ] || exec runuser -u $SERVICE_USER -- '$PREFIX/current/bin/guke' \"\$@\""
        fi
        echo "exec '$PREFIX/current/bin/guke' \"\$@\""
    } >"$target.new"
    chmod 755 "$target.new"
    mv "$target.new" "$target"
}

write_unit() {
    case "$DATA/ $PREFIX/" in */home/* | */root/*) home=no ;; *) home=yes ;; esac
    sed -e "s|@PREFIX@|$PREFIX|g" -e "s|@DATA@|$DATA|g" -e "s|@HOST@|$HOST|g" -e "s|@PORT@|$PORT|g" \
        -e "s|@PROTECT_HOME@|$home|g" "$HERE/packaging/guke.service" >"$UNIT.new"
    mv "$UNIT.new" "$UNIT"
    systemctl daemon-reload
}

# start_service / start_foreground: 0 when /healthz answers
start_service() {
    systemctl enable guke.service >>"$LOG" 2>&1
    systemctl restart guke.service >>"$LOG" 2>&1
    wait_healthy
}

start_foreground() {
    GUKE_DATA=$DATA "$PREFIX/current/bin/guke" serve --host "$HOST" --port "$PORT" 9>&- &
    SERVER=$!
    echo "$SERVER" >"$PREFIX/serve.pid"
    trap 'kill "$SERVER" 2>/dev/null || true' INT TERM HUP
    wait_healthy "$SERVER"
}

serve_until_stopped() {
    exec 9>&-
    wait "$SERVER" || true
    # A signal ends the first wait at once; the server is still putting its work away.
    wait "$SERVER" 2>/dev/null || true
    [ "$(cat "$PREFIX/serve.pid" 2>/dev/null)" != "$SERVER" ] || rm -f "$PREFIX/serve.pid"
}

start() { if [ "$SERVICE" = yes ]; then start_service; else start_foreground; fi; }

# The new version did not come up: the old program and the data as they were before.
roll_back() {
    say "新版本没有启动成功，正在退回原版本……" "The new version did not start; going back to the one before …" >&2
    if [ "$SERVICE" = no ] && [ -n "${SERVER:-}" ]; then
        kill "$SERVER" 2>/dev/null || true
        wait "$SERVER" 2>/dev/null || true
    fi
    stop_running
    failed=$NEW
    switch_to "$OLD"
    guke "$OLD" restore "$BACKUP" --force >>"$LOG" 2>&1 ||
        say "数据没有自动退回；升级前的备份在 $BACKUP" "The data could not be put back by itself; the backup from before is $BACKUP" >&2
    NEW=$OLD
    UNFINISHED=$failed
    back=no
    if { [ "$WAS_RUNNING" = yes ] || [ "$SERVICE" = no ]; } && start; then back=yes; fi
    say "错误：升级没有成功，数据和原版本完好；详情见 $LOG" "Error: the upgrade failed; data and the version before are intact. Details are in $LOG" >&2
    if [ "$back" = yes ]; then
        say "原版本已恢复运行。" "The version before is running again." >&2
        [ "$SERVICE" = yes ] || serve_until_stopped
    fi
    exit 1
}

upgrade() {
    WAS_RUNNING=no
    is_running && WAS_RUNNING=yes
    stop_running
    BACKUP=$DATA/backups/before-$VERSION-$(date +%Y%m%d%H%M%S).db
    mkdir -p "$DATA/backups"
    [ "$SERVICE" = no ] || chown "$SERVICE_USER:" "$DATA/backups"
    if ! guke "$OLD" backup --to "$BACKUP" >>"$LOG" 2>&1; then
        [ "$WAS_RUNNING" = no ] || [ "$SERVICE" = no ] || systemctl start guke.service >>"$LOG" 2>&1 || true
        why
        fail "升级前的备份没有成功，没有升级；详情见 $LOG" "the backup before the upgrade failed, so nothing was upgraded; details are in $LOG"
    fi
    guke "$NEW" upgrade >>"$LOG" 2>&1 || roll_back
    switch_to "$NEW"
}

install_first() {
    if ! guke "$NEW" init --setup-link >>"$LOG" 2>&1; then
        why
        fail "无法建立数据目录 $DATA；详情见 $LOG" "the data folder $DATA could not be prepared; details are in $LOG"
    fi
    if [ "$DEMO" = yes ]; then
        say "正在载入示例数据……" "Loading sample data …"
        if ! guke "$NEW" demo >>"$LOG" 2>&1; then
            why
            fail "示例数据没有载入；详情见 $LOG" "the sample data could not be loaded; details are in $LOG"
        fi
    fi
    switch_to "$NEW"
}

prepare_folders() {
    if [ "$SERVICE" = yes ] && ! id "$SERVICE_USER" >/dev/null 2>&1; then
        useradd --system --home-dir "$DATA" --no-create-home --shell /usr/sbin/nologin "$SERVICE_USER"
    fi
    mkdir -p "$PREFIX" "$DATA" || fail "无法建立 $PREFIX 或 $DATA，请用 --prefix 和 --data 另选目录。" \
        "$PREFIX or $DATA cannot be made; choose others with --prefix and --data."
    if [ "$SERVICE" = yes ]; then
        chmod 755 "$PREFIX"
        chown "$SERVICE_USER:" "$DATA"
    else
        chmod 700 "$PREFIX"
    fi
    chmod 700 "$DATA"
    LOG=$PREFIX/install.log
    : >"$LOG"
    chmod 600 "$LOG"
}

parse() {
    while [ $# -gt 0 ]; do
        case $1 in
        --prefix | --data | --port | --host)
            [ $# -ge 2 ] || fail "$1 后面缺少值。" "$1 needs a value."
            case $1 in
            --prefix) PREFIX=$2 ;; --data) DATA=$2 ;; --port) PORT=$2 ;; --host) HOST=$2 ;;
            esac
            shift
            ;;
        --no-service) SERVICE=no ;;
        --no-start) START=no ;;
        --demo) DEMO=yes ;;
        --help | -h)
            usage
            exit 0
            ;;
        *)
            usage >&2
            exit 2
            ;;
        esac
        shift
    done
    case $PORT in *[!0-9]*) fail "端口须是数字：$PORT" "the port must be a number: $PORT" ;; esac
    case $PREFIX$DATA in *[\|\'\"\\\&\ %]*) fail "目录名不能含空格、引号、|、&、% 或反斜杠。" "folder names may not hold spaces, quotes, |, &, % or backslashes." ;; esac
}

absolute() { case $1 in /*) echo "$1" ;; *) echo "$PWD/$1" ;; esac; }

# --data and the like first, then what the last run remembered, then the default.
settle() {
    if [ "$SERVICE" = auto ]; then
        if is_root && [ -d /run/systemd/system ]; then SERVICE=yes; else SERVICE=no; fi
    fi
    if [ "$SERVICE" = yes ]; then default_prefix=/opt/guke; else default_prefix=${XDG_DATA_HOME:-$HOME/.local/share}/guke; fi
    PREFIX=$(absolute "${PREFIX:-$default_prefix}")
    if [ "$SERVICE" = yes ]; then default_data=/var/lib/guke; else default_data=$PREFIX/data; fi
    earlier=$(remembered DATA)
    DATA=$(absolute "${DATA:-${earlier:-$default_data}}")
    earlier=$(remembered PORT)
    PORT=${PORT:-${earlier:-8080}}
    earlier=$(remembered HOST)
    HOST=${HOST:-${earlier:-0.0.0.0}}
    VERSION=$(source_version)
    [ -n "$VERSION" ] || fail "安装包不完整：缺少 appliance 目录或 packaging/wheels。" "this folder is incomplete: neither appliance/ nor packaging/wheels is here."
}

clean_up() {
    status=$?
    # A version that never came into use leaves nothing behind.
    if [ -n "${UNFINISHED:-}" ] && [ "$(readlink -f "$PREFIX/current" 2>/dev/null)" != "$UNFINISHED" ]; then rm -rf "$UNFINISHED"; fi
    exit "$status"
}

main() {
    if [ "${1:-}" = --test ]; then
        shift
        run_tests "$@"
        return
    fi
    parse "$@"
    settle
    prepare_folders
    exec 9>"$PREFIX/install.lock"
    if command -v flock >/dev/null 2>&1; then
        flock -n 9 || fail "另一个安装正在进行。" "another installation is under way in $PREFIX."
    fi
    trap clean_up EXIT
    need_python
    if ! is_running && port_in_use; then
        fail "端口 $PORT 已被其他程序占用。请另选一个，例如：./install.sh --port $((PORT + 10))" \
            "port $PORT is used by another program. Choose another, for example: ./install.sh --port $((PORT + 10))"
    fi
    OLD=$(readlink -f "$PREFIX/current" 2>/dev/null) || OLD=''
    [ -d "${OLD:-/nonexistent}/bin" ] || OLD=''
    build_version
    BACKUP=''
    if [ ! -f "$DATA/guke.db" ]; then
        install_first
    else
        [ "$DEMO" = no ] || say "数据目录已有数据，不载入示例数据。" "The data folder holds data already; no sample data is loaded." >&2
        if [ -n "$OLD" ]; then
            upgrade
        else
            if ! guke "$NEW" upgrade >>"$LOG" 2>&1; then
                why
                fail "数据目录 $DATA 无法升级；详情见 $LOG" "the data in $DATA could not be upgraded; details are in $LOG"
            fi
            switch_to "$NEW"
        fi
    fi
    remember
    if [ "$SERVICE" = yes ]; then
        write_unit
        write_command /usr/local/bin/guke
    else
        write_command "$PREFIX/guke"
        [ "$START" = yes ] || {
            UNFINISHED=''
            prune_versions
            say "已安装。启动：$PREFIX/guke serve --host $HOST --port $PORT" "Installed. To start: $PREFIX/guke serve --host $HOST --port $PORT"
            return
        }
    fi
    if ! start; then
        [ -z "$BACKUP" ] || roll_back
        if [ "$SERVICE" = yes ]; then journalctl -u guke.service -n 20 --no-pager >&2 || true; fi
        fail "固客没有启动成功；详情见上面的输出和 $LOG" "Guke did not start; see the output above and $LOG"
    fi
    UNFINISHED=''
    prune_versions
    announce
    if [ "$SERVICE" = yes ]; then
        say "系统服务 guke 已设为开机启动；命令行工具：guke" "The service guke starts at boot; the command line tool is: guke"
    else
        say "按 Ctrl+C 停止。再次启动：$PREFIX/guke serve --host $HOST --port $PORT" "Press Ctrl+C to stop. To start again: $PREFIX/guke serve --host $HOST --port $PORT"
        serve_until_stopped
    fi
}

main "$@"
