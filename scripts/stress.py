"""Runs the test suites repeatedly under adverse conditions, and prints the number of failures under each.

`make stress` and `make stress-one` build the tests and run this script. The test programs run without cargo.

environment:
  STRESS_RUNS        the number of runs of each suite under each condition; default: 1
  STRESS_CONDITIONS  names of conditions, separated by spaces; default: all. "umask+load" combines two
  STRESS_SUITES      names of suites, separated by spaces: rust c python clients; default: all
  TEST               runs only tests whose name contains this text; suites without such a test are skipped
  STRESS_TARGET_DIR  the target directory of cargo
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_SECONDS = 3600
# Longer than the maximum length of a Unix socket address.
DEEP_DIRECTORY = "a directory with spaces/" + "/".join(["deep and deeper"] * 10)


class Condition:
    """An adverse condition: a shell prefix of the command, environment variables, and load by busy processes."""

    def __init__(self, shell: str = "", environment: dict[str, str] | None = None, load: bool = False) -> None:
        self.shell = shell
        self.environment = environment or {}
        self.load = load

    def __add__(self, other: Condition) -> Condition:
        return Condition(self.shell + other.shell, {**self.environment, **other.environment}, self.load or other.load)


def conditions(directory: Path) -> dict[str, Condition]:
    deep = directory / DEEP_DIRECTORY
    deep.mkdir(parents=True, exist_ok=True)
    core = min(os.sched_getaffinity(0))
    simple = {
        "plain": Condition(),
        "one-core": Condition(f"taskset -p -c {core} $$ >/dev/null; "),
        "load": Condition(load=True),
        # As under nohup, or in a background job.
        "signals": Condition("trap '' HUP INT PIPE; "),
        "tmpdir": Condition(environment={"TMPDIR": str(deep)}),
        "c-locale": Condition(environment={"LANG": "C", "LC_ALL": "C"}),
        "locale": Condition(environment=turkish_locale(directory)),
        "umask": Condition("umask 077; "),
        "descriptors": Condition("ulimit -n 256; "),
        # Longer than the interval between two progress reports.
        "slow-service": Condition(environment={"GLACIER_EMULATOR_RESPONSE_DELAY": "150"}),
    }
    everything = Condition()
    for name, condition in simple.items():
        if name not in ("c-locale", "slow-service"):
            everything += condition
    return {**simple, "all": everything}


def turkish_locale(directory: Path) -> dict[str, str]:
    """Compiles the Turkish locale: its decimal separator is a comma, and its capital i differs from English."""
    compiled = directory / "locale" / "tr_TR.UTF-8"
    if not compiled.exists():
        compiled.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["localedef", "-i", "tr_TR", "-f", "UTF-8", str(compiled)], check=True)
    return {"LOCPATH": str(compiled.parent), "LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8"}


class Program:
    """A test program built by cargo, or a Python test suite."""

    def __init__(self, command: list[str], directory: Path, environment: dict[str, str]) -> None:
        self.command = command
        self.directory = directory
        self.environment = environment


def rust_programs() -> dict[str, list[Program]]:
    """Returns the programs of the Rust suite and the C suite."""
    command = [*shlex.split(os.environ.get("CARGO") or "cargo"), "test", "--workspace", "--no-run"]
    built = subprocess.run([*command, "--message-format=json"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    suites: dict[str, list[Program]] = {"rust": [], "c": []}
    for message in map(json.loads, built.stdout.splitlines()):
        if message["reason"] != "compiler-artifact" or not message["executable"] or not message["profile"]["test"]:
            continue
        package = Path(message["manifest_path"]).parent
        suite = "c" if message["target"]["name"] == "c_abi" else "rust"
        program = Program([message["executable"]], package, {"CARGO_MANIFEST_DIR": str(package)})
        suites[suite].append(program)
    return suites


def with_filter(programs: list[Program], wanted: str) -> list[Program]:
    """Returns the programs that have a test whose name contains `wanted`, with that filter added."""
    found = []
    for program in programs:
        listed = subprocess.run(
            [*program.command, "--list"], cwd=program.directory, capture_output=True, text=True, check=True
        )
        if any(wanted in line for line in listed.stdout.splitlines() if line.endswith(": test")):
            found.append(Program([*program.command, wanted], program.directory, program.environment))
    return found


def python_program(name: str, wanted: str) -> list[Program]:
    target = Path(os.environ["STRESS_TARGET_DIR"])
    command = [str(target / f"{name}-venv/bin/python"), "-m", "pytest", "-q"]
    directory = ROOT / "tests" / name
    if wanted:
        command += ["-k", wanted]
        collected = subprocess.run([*command, "--collect-only"], cwd=directory, capture_output=True, check=False)
        if collected.returncode != 0:
            return []
    return [Program(command, directory, {})]


@contextlib.contextmanager
def load(wanted: bool) -> Iterator[None]:
    """Runs two busy processes per processor."""
    number = 2 * len(os.sched_getaffinity(0)) if wanted else 0
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def run(program: Program, condition: Condition, log: Path) -> bool:
    command = ["sh", "-c", f'{condition.shell}exec "$@"', "sh", *program.command]
    environment = {**os.environ, **program.environment, **condition.environment}
    for name in ("TEST", "MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        environment.pop(name, None)
    with log.open("a") as output:
        output.write(f"$ {shlex.join(program.command)}\n")
        output.flush()
        # A separate process group, so that processes left behind can be killed too.
        process = subprocess.Popen(
            command,
            cwd=program.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait(TIMEOUT_SECONDS) == 0
        except subprocess.TimeoutExpired:
            output.write(f"\nkilled after {TIMEOUT_SECONDS} s\n")
            return False
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def failed_tests(log: Path) -> list[str]:
    text = log.read_text(errors="replace")
    return re.findall(r"^test (\S+) \.\.\. FAILED$", text, re.M) + re.findall(r"^FAILED (\S+)", text, re.M)


def main() -> int:
    directory = Path(os.environ["STRESS_TARGET_DIR"]) / "stress"
    # Several runs can start in the same second.
    logs = directory / f"{time.strftime('%Y-%m-%d-%H-%M-%S')}-{os.getpid()}"
    logs.mkdir(parents=True)
    known = conditions(directory)
    chosen = (os.environ.get("STRESS_CONDITIONS") or " ".join(known)).split()
    suites = (os.environ.get("STRESS_SUITES") or "rust c python clients").split()
    runs = int(os.environ.get("STRESS_RUNS") or 1)
    wanted = os.environ.get("TEST") or ""

    programs: dict[str, list[Program]] = rust_programs()
    if wanted:
        programs = {suite: with_filter(found, wanted) for suite, found in programs.items()}
    for name in ("python", "clients"):
        programs[name] = python_program(name, wanted) if name in suites else []
    suites = [suite for suite in suites if programs[suite]]
    if not suites:
        print(f"no suite has a test whose name contains {wanted}", file=sys.stderr)
        return 2

    rows = []
    for name in chosen:
        condition = Condition()
        for part in name.split("+"):
            if part not in known:
                print(f"unknown condition: {part}; the conditions are {' '.join(known)}", file=sys.stderr)
                return 2
            condition += known[part]
        for suite in suites:
            failures, started = 0, time.monotonic()
            for number in range(1, runs + 1):
                log = logs / f"{name}-{suite}-{number}.log"
                with load(condition.load):
                    passed = all([run(program, condition, log) for program in programs[suite]])
                if not passed:
                    failures += 1
                    print(f"{name} {suite}: failed: {' '.join(failed_tests(log)) or 'see log'}: {log}", flush=True)
                elif wanted:
                    log.unlink()
            rows.append((name, suite, runs, failures, time.monotonic() - started))
            print(f"{name} {suite}: {runs} runs, {failures} failures, {rows[-1][-1]:.0f} s", flush=True)

    print(f"\n{'condition':<24} {'suite':<8} {'runs':>6} {'failures':>8} {'seconds':>8}")
    for name, suite, number, failures, seconds in rows:
        print(f"{name:<24} {suite:<8} {number:>6} {failures:>8} {seconds:>8.0f}")
    print(f"logs: {logs}")
    return 1 if any(row[3] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
