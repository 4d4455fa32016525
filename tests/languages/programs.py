"""The programs of examples/: how to build and run each."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Optional

from local_glacier import ROOT

EXAMPLES = ROOT / "examples"
# The directory that `make install` filled.
PREFIX = Path(os.environ["GLACIER_PREFIX"])
JNA = "/usr/share/java/jna.jar"
# A program that hangs fails its test after this time.
TIMEOUT = 300


@dataclass(frozen=True)
class Defect:
    """A statement that raises DISPLAY_FAILED, and the text before which it is inserted."""

    before: str
    statement: str


DISPLAY_FAILED = "display failed"


@dataclass(frozen=True)
class Language:
    """
    A program in one language.

    In commands, SRC is the program's directory, and OUT that of its outputs. The defect makes the display of the
    progress fail. There is none if the callback cannot raise: Fortran has no exceptions, and Nim checks the callback.
    The text after SIGINT is a part of "status N: standard error" if the program sets what SIGINT does.
    """

    run: str
    build: str = ""
    defect: Optional[Defect] = None
    after_sigint: str = ""


# Some defects have a condition that always holds, because the compiler rejects statements that are never reached.
LANGUAGES = {
    "ada": Language(
        "OUT/upload",
        "gnatmake -q -gnatwae -D OUT SRC/upload.adb -o OUT/upload -largs -lglacier_mp",
        Defect("Put_Line (", f'if Done\'Valid then raise Program_Error with "{DISPLAY_FAILED}"; end if;'),
    ),
    "csharp": Language(
        "mono OUT/Upload.exe",
        "mcs -warnaserror -out:OUT/Upload.exe SRC/Upload.cs",
        Defect("string total", f'if (progress.Workers != 0) throw new InvalidOperationException("{DISPLAY_FAILED}");'),
    ),
    "d": Language(
        "OUT/upload",
        "ldc2 -w -od=OUT -of=OUT/upload SRC/upload.d -L-lglacier_mp",
        Defect("stderr.write(progress", f'if (progress.workers != 0) throw new Exception("{DISPLAY_FAILED}");'),
    ),
    "fortran": Language("OUT/upload", "gfortran -Wall -Werror -J OUT -o OUT/upload SRC/upload.f90 -lglacier_mp"),
    "go": Language(
        "OUT/upload",
        "go build -o OUT/upload SRC/upload.go",
        Defect('total := ""', f'panic("{DISPLAY_FAILED}");'),
    ),
    "java": Language(
        f"java -cp {JNA}:OUT Upload",
        f"javac -Xlint:all -Werror -cp {JNA} -d OUT SRC/Upload.java",
        Defect("String total", f'if (progress.workers != 0) throw new IllegalArgumentException("{DISPLAY_FAILED}");'),
    ),
    "lisp": Language(
        "sbcl --script SRC/upload.lisp",
        defect=Defect("(handler-case (format *error", f'(error "{DISPLAY_FAILED}")'),
        after_sigint=f"status {-signal.SIGINT}:",
    ),
    "lua": Language(
        "luajit SRC/upload.lua",
        defect=Defect("local total", f'error("{DISPLAY_FAILED}")'),
        after_sigint=f"status {-signal.SIGINT}:",
    ),
    "nim": Language("OUT/upload", "nim c --hints:off --nimcache:OUT/cache -o:OUT/upload SRC/upload.nim"),
    "pascal": Language(
        "OUT/upload",
        "fpc -v0w -FUOUT -oOUT/upload -FlLIB SRC/upload.pas",
        Defect("Write(StdErr, Progress", f"raise Exception.Create('{DISPLAY_FAILED}');"),
    ),
    "perl": Language("perl SRC/upload.pl", defect=Defect("my $total", f'die "{DISPLAY_FAILED}";')),
    "php": Language(
        "php SRC/upload.php", defect=Defect("$total =", f'throw new RuntimeException("{DISPLAY_FAILED}");')
    ),
    "racket": Language(
        "racket SRC/upload.rkt",
        defect=Defect("(define total", f'(error "{DISPLAY_FAILED}")'),
        after_sigint=f"status {-signal.SIGINT}:",
    ),
    "ruby": Language(
        "ruby -w SRC/upload.rb",
        defect=Defect('total = "', f'raise "{DISPLAY_FAILED}";'),
        after_sigint="stopped by Ctrl-C",
    ),
}


class Program:
    """A program that is built."""

    def __init__(self, language: str, out: Path, source: Optional[Path] = None) -> None:
        self.language = language
        self._out, self._source = out, source or EXAMPLES / language
        self._command = self._words(LANGUAGES[language].run)
        library = str(PREFIX / "lib")
        self._environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            # Go, SBCL and Racket keep caches in the home directory.
            "HOME": str(out.parent),
            "GO111MODULE": "off",
            "PKG_CONFIG_PATH": f"{library}/pkgconfig",
            "LIBRARY_PATH": library,
            "LD_LIBRARY_PATH": library,
        }
        if build := LANGUAGES[language].build:
            done = self._run(self._words(build), {}, subprocess.PIPE)
            assert done.returncode == 0, done.stdout + done.stderr
        # The first run of some interpreters compiles their libraries and reports it.
        self.run({})

    def run(
        self, environment: dict[str, str], *arguments: str, stderr: Optional[IO[Any]] = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs the program with AWS settings and arguments. Captures standard error unless it is given."""
        return self._run([*self._command, *arguments], environment, stderr or subprocess.PIPE)

    def start(self, environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
        """Starts the program, with the default action for SIGINT. The caller waits for it."""
        return subprocess.Popen(
            [*self._command, *arguments],
            env={**self._environment, **environment},
            cwd=self._out,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            preexec_fn=receive_sigint,
        )

    def _words(self, command: str) -> list[str]:
        places = {"SRC": str(self._source), "OUT": str(self._out), "LIB": str(PREFIX / "lib")}
        words = command.split()
        for name, place in places.items():
            words = [word.replace(name, place) for word in words]
        return words

    def _run(
        self, command: list[str], environment: dict[str, str], stderr: int | IO[Any]
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env={**self._environment, **environment},
            cwd=self._out,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
            timeout=TIMEOUT,
        )


def receive_sigint() -> None:
    """Makes a child process receive SIGINT, also if the tests ignore or block it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def program_with_defect(language: str, directory: Path, statement: Optional[str] = None) -> Program:
    """Builds a copy of a program with the defect of its language, or with another statement at the same place."""
    defect = LANGUAGES[language].defect
    assert defect is not None
    source, out = directory / "source", directory / "out"
    shutil.copytree(EXAMPLES / language, source)
    out.mkdir()
    changed = 0
    for path in source.iterdir():
        text = path.read_text(encoding="utf-8")
        if language == "ada" and path.name != "reports.adb":
            continue
        changed += text.count(defect.before)
        path.write_text(
            text.replace(defect.before, f"{statement or defect.statement} {defect.before}", 1), encoding="utf-8"
        )
    assert changed == 1, f"{defect.before!r} occurs {changed} times in {EXAMPLES / language}"
    return Program(language, out, source)
