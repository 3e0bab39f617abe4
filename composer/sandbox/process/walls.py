"""Walls around a process: Linux namespaces, a root of its own, resource limits, no privileges.

Each function raises OSError where the system does not do it. This file runs inside the sandbox and
imports nothing else of the project.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from pathlib import Path

NEW_USER, NEW_PIDS, NEW_NET = 0x10000000, 0x20000000, 0x40000000
NEW_MOUNTS, NEW_IPC, NEW_NAMES = 0x20000, 0x08000000, 0x04000000

_BIND, _RECURSIVE, _PRIVATE, _REMOUNT = 0x1000, 0x4000, 1 << 18, 0x20
_READ_ONLY, _NO_SETUID, _NO_DEVICES = 1, 2, 4
_DETACH = 2
_DEATH_SIGNAL, _DUMPABLE, _DROP_BOUND, _SUBREAPER, _NO_NEW_PRIVILEGES = 1, 4, 24, 36, 38
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41}
_MOUNT_SETATTR = 442
_AT_RECURSIVE = 0x8000
_CAPABILITIES = 0x20080522

_SECCOMP, _FILTER, _ALLOW, _REFUSE = 22, 2, 0x7FFF0000, 0x00050000 | errno.ENOSYS
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_OTHER_CALLS = 0x40000000
_UNCOUNTED = {
    "x86_64": (0xC000003E, (319, 447, 29, 68, 425)),
    "aarch64": (0xC00000B7, (279, 447, 194, 186, 425)),
    "riscv64": (0xC00000F3, (279, 447, 194, 186, 425)),
}
"""Numbers of memfd_create, memfd_secret, shmget, msgget and io_uring_setup."""

_SHOWN = (
    *("/usr", "/lib", "/lib64", "/lib32", "/etc/ld.so.cache", "/nix/store", "/gnu/store"),
    *("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"),
)
"""What of the host can be read, where it is there."""

_POINTS = tuple(map(Path, ("/mnt", "/media", "/srv", "/opt", "/home", "/var", "/tmp")))  # noqa: S108 - only a name
"""Where a new root may be put, out of sight of all others."""

PLACE = Path("/tmp")  # noqa: S108 - a folder in the root of the sandbox
"""The only folder that can be written."""

INSIDE = 1
"""The user that programs run as, in a user namespace that root has made."""


def call(name: str, *arguments: object) -> int:
    """Call a function of the C library, which says by -1 that it failed."""
    library = ctypes.CDLL(None, use_errno=True)
    try:
        function = getattr(library, name)
    except AttributeError as error:
        raise OSError(f"this system has no {name}") from error
    result = int(function(*(os.fsencode(a) if isinstance(a, str | Path) else a for a in arguments)))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def unshare(flags: int) -> None:
    """Leave namespaces of the parent."""
    call("unshare", flags)


def die_with_parent() -> None:
    """Be killed when the parent ends."""
    call("prctl", _DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of all that this process's children leave behind."""
    call("prctl", _SUBREAPER, 1, 0, 0, 0)


def hide_memory() -> None:
    """Keep processes of the same user from reading or writing this one's memory."""
    call("prctl", _DUMPABLE, 0, 0, 0, 0)


def map_users(pid: int, *, root: bool, user: int, group: int, spare: int) -> None:
    """Say who the users in a process's new namespace are; root adds `spare` as a second one."""
    if not root:
        _write(f"/proc/{pid}/setgroups", "deny")
    second = f"\n{INSIDE} {spare} 1" if root else ""
    _write(f"/proc/{pid}/uid_map", f"{user} {user} 1{second}")
    _write(f"/proc/{pid}/gid_map", f"{group} {group} 1{second}")


def no_more_namespaces() -> None:
    """Let nobody in this user namespace make another one."""
    with contextlib.suppress(OSError):
        _write("/proc/sys/user/max_user_namespaces", "0")


def new_root(size: int, owner: int) -> None:
    """Leave the host's files: what Python needs is there to read, and one empty folder to write."""
    unshare(NEW_MOUNTS)
    call("mount", None, "/", None, _RECURSIVE | _PRIVATE, None)
    sources = _sources()
    free = (p for p in _POINTS if p.is_dir() and not any(s.is_relative_to(p) for s in sources))
    root = next(free, None)
    number = _PIVOT_ROOT.get(platform.machine())
    if root is None or number is None:
        raise OSError("no new root can be made" if root is None else "this processor is unknown")
    call("mount", "tmpfs", root, "tmpfs", _NO_SETUID | _NO_DEVICES, "size=1m,mode=755")
    options = f"size={size},nr_inodes=4096,mode=700,uid={owner},gid={owner}"
    _within(root, PLACE).mkdir()
    call("mount", "tmpfs", _within(root, PLACE), "tmpfs", _NO_SETUID | _NO_DEVICES, options)
    for source in sources:
        _show(source, _within(root, source))
    os.chdir(root)
    old = Path("old")
    old.mkdir()
    call("syscall", number, ".", old)
    os.chdir("/")
    call("umount2", old, _DETACH)
    old.rmdir()
    call("mount", None, "/", None, _REMOUNT | _BIND | _READ_ONLY | _NO_SETUID | _NO_DEVICES, None)
    os.chdir(PLACE)


def drop_privileges(user: int) -> None:
    """Become the user that programs run as, for good."""
    with contextlib.suppress(OSError):
        for capability in range(64):
            call("prctl", _DROP_BOUND, capability, 0, 0, 0)
    if os.getuid() != user:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    if sys.platform == "linux":
        header = (ctypes.c_uint32 * 2)(_CAPABILITIES, 0)
        call("capset", header, (ctypes.c_uint32 * 6)())
        call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def refuse_uncounted_memory() -> None:
    """Refuse the calls that give memory which belongs to no process, and so is not counted."""
    if platform.machine() not in _UNCOUNTED:
        raise OSError("this processor is unknown")
    processor, numbers = _UNCOUNTED[platform.machine()]
    last = len(numbers) + 5
    rules = [(_LOAD, 0, 0, 4), (_IF_EQUAL, 0, last - 2, processor), (_LOAD, 0, 0, 0)]
    rules += [(_IF_AT_LEAST, last - 4, 0, _OTHER_CALLS)]
    rules += [(_IF_EQUAL, last - 5 - at, 0, number) for at, number in enumerate(numbers)]
    rules += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *rule) for rule in rules))
    program = struct.pack("@HP", len(rules), ctypes.addressof(code))
    call("prctl", _SECCOMP, _FILTER, program, 0, 0)


def limit(*, cpu: float, memory: int, processes: int, files: int) -> None:
    """Limit what this process and those that it starts may use, each by itself."""
    seconds = max(int(cpu + 1), 1)
    for name, value in (
        ("RLIMIT_CPU", seconds),
        ("RLIMIT_AS", memory),
        ("RLIMIT_NPROC", processes),
        ("RLIMIT_FSIZE", files),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_NOFILE", 64),
        ("RLIMIT_MEMLOCK", 0),
        ("RLIMIT_MSGQUEUE", 0),
    ):
        kind = getattr(resource, name, None)
        if kind is not None:
            most = resource.getrlimit(kind)[1]
            bound = value if most == resource.RLIM_INFINITY else min(value, most)
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(kind, (bound, bound))


def _sources() -> list[Path]:
    """Return the folders and files of the host that Python needs."""
    sources = [path for path in map(Path, _SHOWN) if path.exists()]
    for path in (Path(sys.base_prefix).resolve(), Path(sys.executable).resolve().parent):
        if not any(path.is_relative_to(source) for source in sources):
            sources.append(path)
    return sources


def _within(root: Path, path: Path) -> Path:
    """Return the place of a path of the host in a new root."""
    return root / path.relative_to("/")


def _show(source: Path, target: Path) -> None:
    """Make a folder, file or link of the host readable at a place of the new root."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return
    if source.is_dir():
        target.mkdir(exist_ok=True)
    else:
        target.touch()
    call("mount", source, target, None, _BIND | _RECURSIVE, None)
    device = source.is_relative_to("/dev")
    marks = _READ_ONLY | _NO_SETUID | (0 if device else _NO_DEVICES)
    attributes = (ctypes.c_uint64 * 4)(marks, 0, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    call("syscall", _MOUNT_SETATTR, -100, target, _AT_RECURSIVE, attributes, size)


def _write(path: str, text: str) -> None:
    Path(path).write_text(text, encoding="ascii")
