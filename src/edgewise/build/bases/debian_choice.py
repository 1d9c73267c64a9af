"""What of Debian an inference needs, and what stays out, each with the reason.

No shell, no package manager, no coreutils: an interpreter, the C and C++ libraries, and what the standard library
loads. Copyright files and the texts of licences stay, for whoever ships the image must ship them.
"""

SUITE = "bookworm"
PYTHON = (3, 11)
GLIBC = 36
"""Of Debian 12: 2.36."""

ASKED = ("base-files", "libgcc-s1", "libpython3.11-stdlib", "libstdc++6", "python3.11-minimal")
"""What mmdebstrap is asked for; dependencies come with it."""

KEPT = (
    "base-files",  # os-release, texts of licences
    "gcc-12-base",  # the copyright of libgcc and libstdc++
    "libbz2-1.0",
    "libc6",
    "libexpat1",
    "libffi8",  # ctypes, which numpy imports
    "libgcc-s1",
    "liblzma5",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libssl3",  # hashlib and ssl
    "libstdc++6",
    "libuuid1",
    "python3.11-minimal",
    "zlib1g",
)
"""Of what came, what goes into the image. The rest serves modules that are left out below: curses, readline, dbm,
sqlite3, nis. That every library's own needs are still met is checked on the finished image, by `elf.check`."""

LEFT_OUT = (
    "etc/apt*",
    "etc/default*",
    "etc/dpkg*",
    "etc/gai.conf",
    "etc/issue*",
    "etc/ld.so.conf*",  # the folders that it names are the loader's built-in ones
    "etc/motd*",
    "etc/profile*",
    "etc/python3.11*",  # sitecustomize.py, a hook of bug reports
    "etc/skel*",
    "etc/update-motd.d*",
    "home*",
    "usr/bin/catchsegv",
    "usr/bin/getconf",
    "usr/bin/iconv",
    "usr/bin/l[do]*",
    "usr/bin/pldd",
    "usr/bin/py*3.11-*",
    "usr/bin/sotruss",
    "usr/bin/tzselect",
    "usr/bin/zdump",
    "usr/bin/getent",
    "usr/bin/pydoc*",
    "usr/bin/pygettext*",
    "usr/bin/2to3*",
    "usr/lib/*/audit*",
    "usr/lib/binfmt.d*",
    "usr/lib/*/engines-3*",  # hardware engines of OpenSSL
    "usr/lib/*/gconv*",  # encodings of C programs; Python has its own
    "usr/lib/*/libBrokenLocale*",
    "usr/lib/*/libc_malloc_debug*",
    "usr/lib/*/libmemusage*",
    "usr/lib/*/libnsl.*",
    "usr/lib/*/libnss_compat*",
    "usr/lib/*/libnss_hesiod*",
    "usr/lib/*/libpcprofile*",
    "usr/lib/*/libthread_db*",
    "usr/lib/python3.11/__phello__*",
    "usr/lib/python3.11/curses*",
    "usr/lib/python3.11/dbm*",
    "usr/lib/python3.11/ensurepip*",
    "usr/lib/python3.11/idlelib*",
    "usr/lib/python3.11/lib-dynload/_crypt.*",
    "usr/lib/python3.11/lib-dynload/_curses*",
    "usr/lib/python3.11/lib-dynload/_dbm.*",
    "usr/lib/python3.11/lib-dynload/_sqlite3.*",
    "usr/lib/python3.11/lib-dynload/_test*",
    "usr/lib/python3.11/lib-dynload/_xx*",
    "usr/lib/python3.11/lib-dynload/nis.*",
    "usr/lib/python3.11/lib-dynload/readline.*",
    "usr/lib/python3.11/lib-dynload/xx*",
    "usr/lib/python3.11/lib2to3*",
    "usr/lib/python3.11/pydoc*",
    "usr/lib/python3.11/sitecustomize.py",
    "usr/lib/python3.11/sqlite3*",
    "usr/lib/python3.11/test*",
    "usr/lib/python3.11/tkinter*",
    "usr/lib/python3.11/turtle*",
    "usr/lib/python3.11/wsgiref*",
    "usr/sbin*",
    "usr/share/applications*",
    "usr/share/base-files*",
    "usr/share/binfmts*",
    "usr/share/bug*",
    "usr/share/dict*",
    "usr/share/doc/*/[!c]*",
    "usr/share/doc/*/changelog*",
    "usr/share/gcc*",
    "usr/share/gdb*",
    "usr/share/info*",
    "usr/share/lintian*",
    "usr/share/locale*",
    "usr/share/man*",
    "usr/share/misc*",
    "usr/share/pixmaps*",
    "usr/games*",
    "usr/include*",
    "usr/local*",
    "usr/src*",
    "usr/share/python3*",
    "boot",
    "media",
    "mnt",
    "opt",
    "srv",
    "var/backups",
    "var/cache*",
    "var/local",
    "var/lock",
    "var/mail",
    "var/opt",
    "var/spool*",
)
