"""The environment of the Python tests: a venv in Nerve's cache with what a requirements file pins, made once and then only found.

    python3 scripts/python_env.py python/tests/requirements.txt CACHE            prints its Python, or why there is none
    python3 scripts/python_env.py python/tests/requirements.txt CACHE --make     makes it first if need be (minutes, gigabytes)

Exit codes: 0 there; 3 it is not there, or cannot be had here (the last line of stderr says why); 1 what was installed does not work.

It is named after what is in it, so an older one is never taken for it. It is built beside its name, tried (`--imports`), and only then
renamed: what stands under the name is whole. The lock is the kernel's (`flock`): of two that build at once one waits and then finds it.
venv and pip hold it too, so that one that was killed while its pip lives on is waited for; then its half-made folder is thrown away.
"""

import argparse
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys

OLDEST = (3, 11)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("requirements")
    parser.add_argument("cache")
    parser.add_argument("--make", action="store_true")
    parser.add_argument("--imports", default="torch,numpy,boto3", help="what must be importable before it counts as made")
    args = parser.parse_args()
    if sys.version_info < OLDEST:
        cannot(f"it needs Python {OLDEST[0]}.{OLDEST[1]} or newer, python3 is {platform.python_version()}")
    home = os.path.join(args.cache, name_of(args.requirements))
    if not whole(home):
        if not args.make:
            cannot("it was not made yet")
        os.makedirs(args.cache, mode=0o700, exist_ok=True)
        with open(home + ".lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not whole(home):
                make(home, args.requirements, args.imports, lock)
    print(python_of(home))


def name_of(requirements):
    """What makes one environment differ from another: the pins, and the interpreter that its links lead to."""
    with open(requirements, encoding="utf-8") as file:
        pins = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    what = "\n".join([*pins, sys.version, platform.machine(), os.path.realpath(sys.executable)])
    return f"python-{sys.version_info[0]}.{sys.version_info[1]}-{hashlib.sha256(what.encode()).hexdigest()[:12]}"


def python_of(home):
    return os.path.join(home, "bin", "python")


def whole(home):
    return os.path.exists(python_of(home))


def make(home, requirements, imports, lock):
    part = home + ".part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        step([sys.executable, "-m", "venv", part], "venv failed", lock)
        step([python_of(part), "-m", "pip", "install", "--no-deps", "--no-cache-dir", "--disable-pip-version-check", "--only-binary=:all:", "-r", requirements], "pip failed", lock)
        if subprocess.run([python_of(part), "-c", f"import {imports}"], stdout=sys.stderr, check=False).returncode != 0:
            sys.exit(f"everything was installed, but `import {imports}` fails")
        # Its command-line programs name the folder it was built in. Only `python -m` is used.
        os.rename(part, home)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def step(command, otherwise, lock):
    """Runs with its output on stderr as it comes; its last line is the reason if it fails."""
    last = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, pass_fds=[lock.fileno()]) as process:
        for line in process.stdout:
            print(line, end="", file=sys.stderr, flush=True)
            last = line.strip() or last
    if process.returncode != 0:
        cannot(f"{otherwise}: {last}")


def cannot(why):
    print(why, file=sys.stderr)
    sys.exit(3)


if __name__ == "__main__":
    main()
