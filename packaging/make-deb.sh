#!/usr/bin/env bash
# Makes guke_<version>_<architecture>.deb: install.sh with its offline bundle inside. Installing the package runs install.sh, so both
# ways lead to the same folders, service and upgrades:
#     packaging/make-bundle.sh . && packaging/make-deb.sh guke-*-linux-*.tar.gz [FOLDER TO PUT IT IN]
set -eu

[ $# -ge 1 ] || { echo "name the bundle that packaging/make-bundle.sh made" >&2; exit 2; }
BUNDLE=$1
TO=$(cd "${2:-.}" && pwd)
WORK=$(mktemp -d "${TMPDIR:-/tmp}/guke-deb.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
VERSION=$(basename "$BUNDLE" | sed -n 's/^guke-\([^-]*\)-linux-.*/\1/p')
case $(uname -m) in x86_64) ARCH=amd64 ;; aarch64) ARCH=arm64 ;; *) ARCH=$(dpkg --print-architecture) ;; esac

mkdir -p "$WORK/DEBIAN" "$WORK/usr/share/guke"
tar -C "$WORK/usr/share/guke" --strip-components=1 -xzf "$BUNDLE"
chmod 755 "$WORK" "$WORK/DEBIAN"
cat >"$WORK/DEBIAN/control" <<END
Package: guke
Version: $VERSION
Architecture: $ARCH
Maintainer: The Guke authors <guke@localhost>
Depends: python3 (>= 3.11)
Section: web
Priority: optional
Description: Guke, a customer-management appliance
 Customer management for live-commerce and social-commerce shops on the company's own server.
END
cat >"$WORK/DEBIAN/postinst" <<'END'
#!/bin/sh
set -e
[ "$1" != configure ] || [ ! -d /run/systemd/system ] || /usr/share/guke/install.sh
END
cat >"$WORK/DEBIAN/prerm" <<'END'
#!/bin/sh
set -e
[ "$1" != remove ] || [ ! -d /run/systemd/system ] || systemctl disable --now guke.service
END
# The data folder stays, even on purge: it is the company's.
cat >"$WORK/DEBIAN/postrm" <<'END'
#!/bin/sh
set -e
[ "$1" != remove ] || rm -rf /opt/guke /usr/local/bin/guke /etc/systemd/system/guke.service
END
chmod 755 "$WORK"/DEBIAN/p*
dpkg-deb --root-owner-group --build "$WORK" "$TO/guke_${VERSION}_$ARCH.deb"
