#!/usr/bin/env bash
# Makes a Linux stick that boots into the guided rescue, from Debian's packages: signed
# shim and GRUB and Debian's kernel, so Secure Boot stays on. By BIOS and UEFI, 64-bit.
#
#   stick.sh OUT.img [options]    a disk image: write it to a USB stick
#   stick.sh OUT.iso [options]    an ISO: for a virtual machine, a DVD or Rufus
#
#   --program FILE     the Linux program [default: target/release/lifeboat], built on this
#                      release of Debian or an older one
#   --settings FILE    becomes lifeboat.toml on the stick
#   --add DIR          further files for the stick's FAT partition, such as password.txt
#   --keyboard LAYOUT  sets the layout at once; without it the stick asks
#   --package NAME     a further package for the stick, with all its files; repeat it
#                      (firmware for network cards, if apt's sources have it)
#   --space MB         free space on the FAT partition, for logs [default: 32]
#
# Needs no root and no loop device. Packages come from apt's sources, with apt's check of
# their signatures, and stay in target/stick. The same packages, program, files and time
# (SOURCE_DATE_EPOCH, or that of the last commit) give the same bytes. Beside OUT it writes
# OUT.cdx.json, the list of packages (SBOM). docs/guide/rescue-stick.md has more.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
}

out='' program='' settings='' add='' keyboard='' space=32
more=()
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --program | --settings | --add | --keyboard | --package | --space)
            [ $# -ge 2 ] || die "$1 requires a value" "stick.sh --help"
            case $1 in
                --program) program=$2 ;;
                --settings) settings=$2 ;;
                --add) add=$2 ;;
                --keyboard) keyboard=$2 ;;
                --package) more+=("$2") ;;
                --space) space=$2 ;;
            esac
            shift 2
            ;;
        -*) die "$1 is not an option" "stick.sh --help" ;;
        *)
            [ -z "$out" ] || die "$1: one result at a time"
            out=$1
            shift
            ;;
    esac
done

# --- What is given ------------------------------------------------------------
[ -n "$out" ] || die "no result was named" "stick.sh OUT.img or stick.sh OUT.iso"
case $out in
    *.img) kind=img ;;
    *.iso) kind=iso ;;
    *) die "$out: neither .img nor .iso" "Name the result so that it ends in .img or .iso." ;;
esac
[ ! -b "$out" ] || die "$out is a device" "Make an image first, then write it: docs/guide/rescue-stick.md"
[ ! -d "$out" ] || die "$out is a folder"
[ -d "$(dirname "$out")" ] || die "$(dirname "$out"): there is no such folder"
case $space in '' | *[!0-9]* | ?????*) die "--space $space" "Give whole megabytes, up to 9999." ;; esac
space=$((10#$space))
[ -z "$settings" ] || [ -f "$settings" ] || die "$settings: there is no such file"
[ -z "$add" ] || [ -d "$add" ] || die "$add: there is no such folder"
case $keyboard in *[!a-z0-9-]*) die "--keyboard $keyboard" "Use a layout such as us, de or fr-latin9." ;; esac
for name in "${more[@]}"; do
    case $name in '' | *[!a-z0-9+.-]*) die "--package $name" "Give the name of a Debian package." ;; esac
done
if [ -z "$program" ]; then
    program=$root/target/release/lifeboat
    [ -f "$program" ] || die "there is no Linux program here" \
        "Run cargo build --release, or give its path: --program FILE"
fi
[ -f "$program" ] || die "$program: there is no such file"
# Settings that Lifeboat cannot use would stop it in the field. It reads them before it finds
# that this set is not there.
if [ -n "$settings" ]; then
    said=$(LIFEBOAT_SETTINGS=$(realpath "$settings") LIFEBOAT_LOG=/dev/null "$program" list /nonexistent/set 2>&1) || true
    case $said in
        *"$(realpath "$settings"):"*) die "$(sed -n 's/^error: //p;q' <<<"$said")" "$(sed -n 's/^fix: //p' <<<"$said")" ;;
    esac
    ! grep -q '^[[:space:]]*to[[:space:]]*=[[:space:]]*.[\]' "$settings" ||
        die "$settings: \\\\server\\share is for Windows, and the stick is Linux" \
            "Write: to = 'smb://server/share/folder'"
fi
# ELF, 64-bit, x86-64.
case $(od -An -tx1 -N20 "$program" | tr -d ' \n') in
    7f454c4602*3e00) ;;
    *) die "$program: this is not a program for 64-bit Linux" ;;
esac

has apt-get || die "this is neither Debian nor Ubuntu: there is no apt-get" "Run it on Debian 12 or newer."
needs=()
need() { has "$1" || needs+=("$2"); }
need dpkg-deb dpkg
need cpio cpio
need zstd zstd
need mkfs.vfat dosfstools
need mcopy mtools
need python3 python3
[ $kind = img ] || need xorriso xorriso
[ $kind = iso ] || need sfdisk fdisk
[ ${#needs[@]} = 0 ] || die "these packages are missing: ${needs[*]}" "apt-get install ${needs[*]}"

# The keyboard layouts on the stick, and their files in console-data.
layouts=(
    us=qwerty/us be=azerty/be2-latin1 br=qwerty/br-abnt2 ca=qwerty/cf ch=qwertz/sg-latin1
    ch-fr=qwertz/fr_CH-latin1 cz=qwerty/cz-lat2 de=qwertz/de-latin1 dk=qwerty/dk-latin1
    dvorak=dvorak/dvorak es=qwerty/es fi=qwerty/fi-latin1 fr=azerty/fr-latin9 gb=qwerty/uk
    gr=qwerty/gr hu=qwertz/hu hr=qwertz/croat it=qwerty/it jp=qwerty/jp106 latam=qwerty/la-latin1
    nl=qwerty/nl no=qwerty/no-latin1 pl=qwerty/pl pt=qwerty/pt-latin1 ro=qwerty/ro
    se=qwerty/se-latin1 si=qwertz/slovene tr=qwerty/trqu
)
if [ -n "$keyboard" ]; then
    case " ${layouts[*]} " in
        *" $keyboard="*) ;;
        *) die "--keyboard $keyboard: there is no such layout" "One of: $(printf '%s ' "${layouts[@]%%=*}")" ;;
    esac
fi

out=$(realpath -m "$out")
[ -z "$settings" ] || settings=$(realpath "$settings")
[ -z "$add" ] || add=$(realpath "$add")
program=$(realpath "$program")
here=$root/scripts/stick
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1)
epoch=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || stat -c %Y "$root/Cargo.toml")}
export SOURCE_DATE_EPOCH=$epoch TZ=UTC LC_ALL=C
umask 022

kept=$root/target/stick
mkdir -p "$kept/debs/partial"
work=$(mktemp -d "${TMPDIR:-/tmp}/lifeboat-stick.XXXXXX")
trap 'rm -rf "$work"' EXIT

# --- Packages -----------------------------------------------------------------
# apt gets an empty list of installed packages, so that it lists everything.
: >"$work/status"
apt=(apt-get -qq -o "Dir::State::status=$work/status" -o "Dir::Cache::archives=$kept/debs"
    -o "Debug::NoLocking=1" -o "APT::Sandbox::User=root" -o "APT::Architecture=amd64"
    -o "APT::Architectures::=amd64" --no-install-recommends --yes)
# debs PACKAGE...: downloads the packages with all that they depend on; prints files.
debs() {
    "${apt[@]}" --simulate install "$@" >"$work/plan" 2>"$work/error" ||
        die "apt cannot give these packages: $*" \
            "Run apt-get update first. $(grep '^E:' "$work/error" | head -n 1)"
    "${apt[@]}" --download-only install "$@" >"$work/log" 2>&1 ||
        die "packages could not be downloaded" "$(grep '^E:' "$work/log" | head -n 1)"
    # Inst libc6 (2.36-9 Debian:12.0/stable [amd64]): apt's files are named by the same.
    sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*\[\([a-z0-9]*\)\]).*/\1 \2 \3/p' "$work/plan" |
        while read -r name version arch; do
            echo "$kept/debs/${name}_${version//:/%3a}_$arch.deb"
        done
}
# Without their dependencies: what a system needs that installs them, and a stick does not.
alone() {
    mkdir -p "$kept/alone"
    local name version
    for name in "$@"; do
        version=$(apt-cache show --no-all-versions "$name" 2>/dev/null | sed -n 's/^Version: //p' | head -n 1)
        [ -n "$version" ] || die "apt has no package $name" "Run apt-get update first."
        set -- "$kept/alone/${name}_${version//:/%3a}"_*.deb
        [ -f "$1" ] || (cd "$kept/alone" && apt-get -qq -o "APT::Sandbox::User=root" download "$name=$version") \
            >"$work/log" 2>&1 ||
            die "$name could not be downloaded" "$(grep '^E:' "$work/log" | head -n 1)"
        ls "$kept/alone/${name}_${version//:/%3a}"_*.deb
    done
}

echo "stick: packages"
kernel=$(apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
[ -n "$kernel" ] || die "apt has no package linux-image-amd64" "Run apt-get update first; the stick needs Debian's kernel."
userland=(busybox-static kmod ntfs-3g util-linux dosfstools smartmontools gddrescue libsmbclient libc-bin)
[ ${#more[@]} = 0 ] || userland+=("${more[@]}")
debs "${userland[@]}" >"$work/debs"
alone "$kernel" shim-signed grub-efi-amd64-signed shim-helpers-amd64-signed grub-pc-bin \
    grub-common console-data kbd >>"$work/debs"
# grub-mkimage and loadkeys run here, with libraries from the same packages.
debs liblzma5 libdevmapper1.02.1 zlib1g >>"$work/debs"
sort -u -o "$work/debs" "$work/debs"
while IFS= read -r deb; do
    [ -f "$deb" ] || die "$deb: apt has not downloaded this package"
done <"$work/debs"

tree=$work/tree
mkdir -p "$tree"/usr/{bin,sbin,lib,lib64}
for name in bin sbin lib lib64; do ln -s "usr/$name" "$tree/$name"; done
while IFS= read -r deb; do
    name=$(basename "$deb")
    dpkg-deb --fsys-tarfile "$deb" >"$work/one.tar"
    tar -x -C "$tree" -f "$work/one.tar" --keep-directory-symlink --no-same-owner
    tar -t -f "$work/one.tar" | sed -n 's,^\./,,;s,^\(bin\|sbin\|lib\|lib64\)/,usr/\1/,;/[^/]$/p' |
        sed "s|\$|\t$name|"
done <"$work/debs" | sort >"$work/owners"
rm "$work/one.tar"

# --- The system in memory -------------------------------------------------------
echo "stick: the system"
system=$work/system
mkdir -p "$system"/{dev,etc,media,mnt,proc,root,run,stick,sys,tmp,var} "$system"/usr/{bin,sbin,lib,lib64}
mkdir -p "$system/usr/lib/stick" "$system/usr/share/keymaps"
for name in bin sbin lib lib64; do ln -s "usr/$name" "$system/$name"; done

# copy PATH...: a file of a package, at the same place; where links lead, too.
: >"$work/copied"
copy() {
    local path real
    for path in "$@"; do
        [ -e "$tree/$path" ] || die "there is no /$path in Debian's packages" \
            "Another release of Debian? The script was tested on Debian 12."
        real=$(realpath "$tree/$path")
        # An absolute link leads to the same place in the packages, not on this machine.
        real=${real#"$tree"}
        real=${real#/}
        mkdir -p "$system/$(dirname "$path")" "$system/$(dirname "$real")"
        [ -e "$system/$real" ] || cp -p "$tree/$real" "$system/$real"
        [ -e "$system/$path" ] || ln -s "/$real" "$system/$path"
        echo "$real" >>"$work/copied"
    done
}

loader=usr/lib64/ld-linux-x86-64.so.2
libraries=$tree/usr/lib/x86_64-linux-gnu:$tree/usr/lib/x86_64-linux-gnu/samba
run() { "$tree/$loader" --library-path "$libraries" "$@"; }
# The libraries of a program, by the loader itself.
with_libraries() {
    local path
    run --list "$1" >"$work/libraries" 2>&1 || die "$1 cannot run on the stick" "$(head -n 1 "$work/libraries")"
    ! grep 'not found' "$work/libraries" >"$work/error" ||
        die "$1 needs libraries that the stick does not have" "$(head -n 3 "$work/error")"
    # Every library has to be one of the packages', not one of this machine.
    sed -n 's/.*=> \(\/[^ ]*\) (.*/\1/p' "$work/libraries" | while IFS= read -r path; do
        case $path in
            "$tree"/*) echo "${path#"$tree"/}" ;;
            *) die "$1 needs $path, which no package of the stick has" ;;
        esac
    done >"$work/list" || exit 1
    while IFS= read -r path; do copy "$path"; done <"$work/list"
}

copy $loader bin/busybox
for path in bin/kmod bin/ntfs-3g sbin/mkntfs sbin/blkid sbin/fsck.fat bin/lsblk usr/sbin/smartctl usr/bin/ddrescue; do
    copy "$path"
    with_libraries "$tree/$path"
done
for name in modprobe lsmod modinfo; do ln -s /usr/bin/kmod "$system/usr/sbin/$name"; done
# Names of hosts, and character sets: the libraries load these themselves.
copy usr/lib/x86_64-linux-gnu/{libnss_dns.so.2,libnss_files.so.2,libresolv.so.2}
find "$tree/usr/lib/locale/C.utf8" -type f -printf 'usr/lib/locale/C.utf8/%P\n' >"$work/list"
while IFS= read -r path; do copy "$path"; done <"$work/list"
for name in IBM850 IBM437 UTF-16 UTF-32 UNICODE ISO8859-1 CP1252; do
    copy "usr/lib/x86_64-linux-gnu/gconv/$name.so"
done
copy usr/lib/x86_64-linux-gnu/gconv/gconv-modules
for path in "$tree"/usr/lib/x86_64-linux-gnu/gconv/gconv-modules.d/*.conf; do
    [ ! -f "$path" ] || copy "${path#"$tree"/}"
done
"$tree/bin/busybox" --list | while IFS= read -r name; do
    case $name in
        # What has a package of its own here, and what a stick must not do.
        modprobe | lsmod | modinfo | insmod | rmmod | depmod | dpkg | dpkg-deb | rpm | mkswap | swapon | nuke | run-init) ;;
        busybox) ;;
        *) [ -e "$system/usr/bin/$name" ] || [ -e "$system/usr/sbin/$name" ] || ln -s /bin/busybox "$system/usr/bin/$name" ;;
    esac
done
ln -sf /bin/busybox "$system/usr/sbin/init"

# All of a further package, but for its documents.
for name in "${more[@]}"; do
    awk -F '\t' -v name="$name" 'index($2, name "_") == 1 { print $1 }' "$work/owners" | while IFS= read -r path; do
        case $path in usr/share/doc/* | usr/share/man/* | usr/share/bug/* | usr/share/lintian/*) continue ;; esac
        copy "$path"
        case $path in
            usr/bin/* | usr/sbin/*) [ "$(head -c 4 "$tree/$path" | od -An -tx1 | tr -d ' ')" != 7f454c46 ] || with_libraries "$tree/$path" ;;
        esac
    done
done

# The program itself.
with_libraries "$program"
cp "$program" "$system/usr/bin/lifeboat"
chmod 755 "$system/usr/bin/lifeboat"
said=$(run "$program" --version) || die "$program does not run with the stick's libraries"
echo "stick: $said"
grep -q libsmbclient "$work/libraries" ||
    echo "stick: this program was built without smb: the stick cannot save to shares"

# --- The kernel -----------------------------------------------------------------
kernel_version=${kernel#linux-image-}
modules=usr/lib/modules/$kernel_version
[ -d "$tree/$modules/kernel" ] || die "$kernel: it has no modules"
# Disks, network cards (by cable), keyboards, file systems of sticks. No Wi-Fi, no graphics.
kinds='
    drivers/ata drivers/block drivers/cdrom drivers/hid drivers/hv drivers/i2c drivers/message/fusion
    drivers/mfd drivers/mmc drivers/net/ethernet drivers/net/phy drivers/net/mdio drivers/net/pcs
    drivers/net/usb drivers/net/hyperv drivers/net/vmxnet3 drivers/net/virtio_net drivers/nvme/host
    drivers/pci drivers/pinctrl drivers/platform/surface drivers/scsi drivers/thunderbolt drivers/ufs
    drivers/usb/common drivers/usb/dwc3 drivers/usb/host drivers/usb/roles drivers/usb/storage
    drivers/usb/typec drivers/virtio fs/efivarfs fs/exfat fs/ext4 fs/fat fs/fuse fs/isofs fs/nls fs/udf
    net/packet'
depmod() { (exec -a depmod "$tree/$loader" --library-path "$libraries" --argv0 depmod "$tree/bin/kmod" "$@"); }
depmod -b "$tree" "$kernel_version" 2>"$work/error" || die "depmod failed" "$(head -n 1 "$work/error")"
# With all that they depend on.
# shellcheck disable=SC2086 # a list
printf '%s\n' $kinds | awk -v list="$tree/$modules/modules.dep" '
    { kinds[++count] = "kernel/" $1 }
    END {
        while ((getline line < list) > 0) {
            split(line, part, ": *")
            needs[part[1]] = part[2]
            for (i = 1; i <= count; i++)
                if (index(part[1], kinds[i] "/") == 1 || index(part[1], kinds[i] ".") == 1) wanted[part[1]] = 1
        }
        for (name in wanted) {
            print name
            n = split(needs[name], other, " ")
            for (i = 1; i <= n; i++) print other[i]
        }
    }' | sort -u >"$work/modules"
grep -q 'nvme/host/nvme.ko' "$work/modules" || die "$kernel: it has no driver for NVMe" "Another release of Debian?"
while IFS= read -r path; do copy "$modules/$path"; done <"$work/modules"
for name in modules.builtin modules.builtin.modinfo modules.order; do
    cp -p "$tree/$modules/$name" "$system/$modules/$name"
done
depmod -b "$system" "$kernel_version" 2>"$work/error" || die "depmod failed" "$(head -n 1 "$work/error")"

# --- What is ours, and the keyboard -----------------------------------------------
cp "$here/system/init" "$system/init"
cp "$here/system/inittab" "$system/etc/inittab"
for name in start plugged mount-disks network dhcp session stop; do
    cp "$here/system/$name" "$system/usr/lib/stick/$name"
done
cp "$here/system/keyboard" "$here/system/use" "$system/usr/bin"
chmod 755 "$system"/init "$system"/usr/lib/stick/* "$system"/usr/bin/{keyboard,use}
echo 'root:x:0:0:root:/root:/bin/sh' >"$system/etc/passwd"
echo 'root:x:0:' >"$system/etc/group"
echo 'hosts: files dns' >"$system/etc/nsswitch.conf"
echo '127.0.0.1 localhost lifeboat' >"$system/etc/hosts"
ln -s /proc/self/mounts "$system/etc/mtab"
mkdir -p "$system/etc/samba" "$system/var/cache/samba" "$system/var/lib/samba"
printf '[global]\n  client min protocol = SMB2_02\n' >"$system/etc/samba/smb.conf"
for pair in "${layouts[@]}"; do
    gzip -dc "$tree/usr/share/keymaps/i386/${pair#*=}.kmap.gz" >"$work/kmap" 2>/dev/null ||
        die "console-data has no keyboard layout ${pair#*=}"
    cp "$work/kmap" "$tree/usr/share/keymaps/i386/${pair#*=}.kmap"
    # Layouts include parts beside them, which are packed.
    run "$tree/bin/loadkeys" -q -b -u "$tree/usr/share/keymaps/i386/${pair#*=}.kmap" \
        >"$system/usr/share/keymaps/${pair%%=*}" 2>"$work/error" ||
        die "the keyboard layout ${pair#*=} cannot be read" "$(head -n 1 "$work/error")"
    [ -s "$system/usr/share/keymaps/${pair%%=*}" ] || die "the keyboard layout ${pair#*=} is empty"
done
grep -o '^usr/share/keymaps/i386/qwerty/us.kmap.gz' "$work/owners" >>"$work/copied"

# --- What boots -------------------------------------------------------------------
fat=$work/fat
mkdir -p "$fat"/EFI/BOOT "$fat"/boot/grub "$fat"/lifeboat/licences "$fat"/logs "$fat/.disk"
boot_file() { # FROM TO
    [ -f "$tree/$1" ] || die "there is no /$1 in Debian's packages" "Another release of Debian?"
    cp "$tree/$1" "$2"
    echo "$1" >>"$work/copied"
}
shim=usr/lib/shim/shimx64.efi.signed
boot_file $shim "$fat/EFI/BOOT/BOOTX64.EFI"
boot_file usr/lib/shim/mmx64.efi.signed "$fat/EFI/BOOT/mmx64.efi"
# The one for removable media: it looks for /boot/grub/grub.cfg.
boot_file usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed "$fat/EFI/BOOT/grubx64.efi"
boot_file "boot/vmlinuz-$kernel_version" "$fat/lifeboat/vmlinuz"

# By BIOS: GRUB's own image, with the modules that the menu needs.
grub=$tree/usr/lib/grub/i386-pc
boot_modules=(biosdisk part_msdos part_gpt fat iso9660 normal configfile search search_fs_file linux
    serial terminal echo test reboot all_video)
cat >"$work/early.cfg" <<'END'
search --no-floppy --file --set=root /lifeboat/@ID@
set prefix=($root)/boot/grub
configfile $prefix/grub.cfg
END
core() { # FORMAT RESULT
    sed "s/@ID@/$id/" "$work/early.cfg" >"$work/early.id.cfg"
    run "$tree/usr/bin/grub-mkimage" -O "$1" -d "$grub" -c "$work/early.id.cfg" -p /boot/grub -o "$2" \
        "${boot_modules[@]}" 2>"$work/error" || die "grub-mkimage failed" "$(head -n 1 "$work/error")"
    printf 'usr/lib/grub/i386-pc/%s\n' boot.img kernel.img normal.mod >>"$work/copied"
}

# The serial number of the FAT partition: the stick finds itself by it.
serial=$(printf '%s %s %s' "$version" "$epoch" "$(sha256sum <"$program")" | sha256sum | cut -c 1-8)
serial=${serial^^}
id=stick-$serial.id
cat >"$system/etc/stick" <<END
VERSION='$version'
STICK_ID='${serial:0:4}-${serial:4:4}'
END

# --- Lists and licences -------------------------------------------------------------
sort -u -o "$work/copied" "$work/copied"
join -t $'\t' -o 2.2 "$work/copied" "$work/owners" | sort -u >"$work/used"
# The list must name a package for every file.
join -t $'\t' -v 1 "$work/copied" "$work/owners" >"$work/unowned"
[ ! -s "$work/unowned" ] || die "no package is known for these files" "$(head -n 5 "$work/unowned")"
: >"$work/facts"
while IFS= read -r deb; do
    deb=$(grep "/$deb\$" "$work/debs" | head -n 1)
    printf '%s\t%s\n' "$(sha256sum "$deb" | cut -d ' ' -f 1)" \
        "$(dpkg-deb -f "$deb" Package Version Architecture Source Built-Using | tr '\n' '\t')" >>"$work/facts"
    name=$(dpkg-deb -f "$deb" Package)
    # A package may have its documents in a folder of another.
    copyright=$(realpath -m "$tree/usr/share/doc/$name/copyright")
    [ -f "$copyright" ] || copyright=$tree/usr/share/doc/$name/copyright
    [ -f "$copyright" ] || die "$name: the package has no copyright file"
    cp "$copyright" "$fat/lifeboat/licences/$name.txt"
done <"$work/used"
cp "$root/LICENSE-MIT" "$fat/lifeboat/licences/lifeboat-MIT.txt"
cp "$root/LICENSE-APACHE" "$fat/lifeboat/licences/lifeboat-APACHE.txt"
python3 -B "$here/sbom.py" "$version" "$epoch" "$program" "$fat/lifeboat/licences" <"$work/facts" >"$work/sbom.json"
cp "$work/sbom.json" "$fat/lifeboat/packages.cdx.json"
python3 -B "$here/sbom.py" --sources <"$work/facts" >"$fat/lifeboat/SOURCES.txt"
sed "s/@VERSION@/$version/" "$here/README.txt" >"$fat/README.txt"
echo "Lifeboat $version rescue stick" >"$fat/.disk/info"
echo "$serial" >"$fat/lifeboat/$id"
sed "s/@ID@/$id/" "$here/grub.cfg" >"$fat/boot/grub/grub.cfg"
[ -z "$settings" ] || cp "$settings" "$fat/lifeboat.toml"
[ -z "$keyboard" ] || echo "$keyboard" >"$fat/keyboard.txt"
[ -z "$add" ] || cp -r "$add/." "$fat"
echo "What Lifeboat did on each PC. The newest file is the last rescue." >"$fat/logs/README.txt"
# Notepad of Windows 7 shows these as one line otherwise.
sed -i 's/\r*$/\r/' "$fat/README.txt" "$fat/logs/README.txt" "$fat/lifeboat/SOURCES.txt"

# --- The same bytes each time ---------------------------------------------------------
find "$system" "$fat" -exec touch -h -d "@$epoch" {} +
echo "stick: the image"
(cd "$system" && find . -mindepth 1 -print0 | sort -z |
    cpio -0 -o -H newc --quiet --reproducible -R 0:0) >"$work/initrd"
zstd -q -12 -T2 "$work/initrd" -o "$fat/lifeboat/initrd.img"
touch -d "@$epoch" "$fat/lifeboat/initrd.img"

# fat_volume FILE MIB FOLDER: a FAT volume with a folder's files, in order.
fat_volume() {
    local file=$1 size=$2 folder=$3 kind=16 cluster=4 path
    [ "$size" -lt 140 ] || kind=32
    truncate -s "${size}M" "$file"
    mkfs.vfat --invariant -F $kind -s $cluster -i "$serial" -h 2048 -n LIFEBOAT "$file" >"$work/log" 2>&1 ||
        die "mkfs.vfat failed" "$(tail -n 1 "$work/log")"
    (cd "$folder" && find . -mindepth 1 -type d | sort) | while IFS= read -r path; do
        mmd -i "$file" "::${path#.}" || exit 1
    done || die "the files do not fit on the stick's FAT partition" "Use a larger --space."
    (cd "$folder" && find . -type f | sort) | while IFS= read -r path; do
        mcopy -Q -m -i "$file" "$folder/$path" "::${path#.}" || exit 1
    done || die "the files do not fit on the stick's FAT partition" "Use a larger --space."
}
# Files of 2 KiB clusters, a little more each for the rest of the last one.
size_of() { # FOLDER
    local files bytes
    bytes=$(find "$1" -type f -printf '%s\n' | awk '{ s += $1 } END { printf "%.0f", s }')
    files=$(find "$1" | wc -l)
    echo $(((bytes + files * 4096) / 1048576 + 2))
}

result=$work/result
if [ $kind = img ]; then
    size=$(($(size_of "$fat") + space))
    # FAT32 needs that many clusters.
    [ $size -ge 140 ] || size=140
    fat_volume "$work/volume" $size "$fat"
    core i386-pc "$work/core.img"
    [ "$(stat -c %s "$work/core.img")" -le $((2047 * 512)) ] || die "GRUB does not fit before the partition"
    truncate -s $((size + 1))M "$result"
    printf 'label: dos\nlabel-id: 0x%s\nstart=2048, type=c, bootable\n' "${serial,,}" |
        sfdisk -q --no-tell-kernel "$result" >"$work/log" 2>&1 || die "sfdisk failed" "$(tail -n 1 "$work/log")"
    dd if="$grub/boot.img" of="$result" bs=440 count=1 conv=notrunc status=none
    # As grub-bios-setup does it: a BIOS that does not say from which disk it boots.
    printf '\220\220' | dd of="$result" bs=1 seek=$((0x66)) conv=notrunc status=none
    dd if="$work/core.img" of="$result" bs=512 seek=1 conv=notrunc status=none
    dd if="$work/volume" of="$result" bs=1M seek=1 conv=notrunc,sparse status=none
else
    # The FAT partition has what UEFI boots, settings and logs; kernel and system are in
    # the ISO's own file system, where Rufus and Ventoy find them.
    mkdir "$work/small"
    (cd "$fat" && cp -rp EFI boot .disk logs README.txt "$work/small")
    for name in lifeboat.toml keyboard.txt; do [ ! -f "$fat/$name" ] || cp -p "$fat/$name" "$work/small"; done
    [ -z "$add" ] || cp -r "$add/." "$work/small"
    find "$work/small" -exec touch -h -d "@$epoch" {} +
    fat_volume "$work/volume" $(($(size_of "$work/small") + space)) "$work/small"
    # What UEFI boots from a CD drive. The catalog of an ISO counts at most 32 MiB for it, so
    # it is not the FAT partition.
    mkdir "$work/efi"
    (cd "$fat" && cp -rp EFI boot .disk "$work/efi")
    find "$work/efi" -exec touch -h -d "@$epoch" {} +
    efi_size=$(size_of "$work/efi")
    # FAT16 needs that many clusters.
    [ "$efi_size" -ge 12 ] || efi_size=12
    fat_volume "$fat/boot/grub/efi.img" "$efi_size" "$work/efi"
    [ "$efi_size" -lt 32 ] || die "what UEFI boots does not fit into 32 MiB"
    core i386-pc-eltorito "$fat/boot/grub/eltorito.img"
    find "$fat" -exec touch -h -d "@$epoch" {} +
    xorriso -as mkisofs -quiet -o "$result" -V LIFEBOAT_ISO -r -J -joliet-long \
        --modification-date="$(date -u -d "@$epoch" +%Y%m%d%H%M%S00)" --set_all_file_dates "=$epoch" \
        -b boot/grub/eltorito.img -no-emul-boot -boot-load-size 4 -boot-info-table --grub2-boot-info \
        --grub2-mbr "$grub/boot_hybrid.img" -append_partition 2 0xc "$work/volume" \
        -eltorito-alt-boot -e boot/grub/efi.img -no-emul-boot \
        "$fat" >"$work/log" 2>&1 || die "xorriso failed" "$(grep -m 1 -i -e failure -e sorry -e fatal "$work/log")"
fi
bytes=$(stat -c %s "$result")
{ cp --sparse=always "$result" "$out.part" && mv "$out.part" "$out"; } || die "$out cannot be written"
cp "$work/sbom.json" "$out.cdx.json"
echo "$out: $((bytes / 1048576)) MiB, $kernel, $(wc -l <"$work/used") packages"
echo "sha256 $(sha256sum "$out" | cut -d ' ' -f 1)"
