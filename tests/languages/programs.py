"""The programs of examples/: how to build and run each."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from local_glacier import ROOT

EXAMPLES = ROOT / "examples"
# The directory that `make install` filled.
PREFIX = Path(os.environ["GLACIER_PREFIX"])
JNA = "/usr/share/java/jna.jar"


@dataclass(frozen=True)
class Language:
    """A program in one language. In commands, SRC is the program's directory, and OUT that of its outputs."""

    run: str
    build: str = ""


LANGUAGES = {
    "ada": Language("OUT/upload", "gnatmake -q -gnatwae -D OUT SRC/upload.adb -o OUT/upload -largs -lglacier_mp"),
    "csharp": Language("mono OUT/Upload.exe", "mcs -warnaserror -out:OUT/Upload.exe SRC/Upload.cs"),
    "d": Language("OUT/upload", "ldc2 -w -od=OUT -of=OUT/upload SRC/upload.d -L-lglacier_mp"),
    "fortran": Language("OUT/upload", "gfortran -Wall -Werror -J OUT -o OUT/upload SRC/upload.f90 -lglacier_mp"),
    "go": Language("OUT/upload", "go build -o OUT/upload SRC/upload.go"),
    "java": Language(f"java -cp {JNA}:OUT Upload", f"javac -Xlint:all -Werror -cp {JNA} -d OUT SRC/Upload.java"),
    "lisp": Language("sbcl --script SRC/upload.lisp"),
    "lua": Language("luajit SRC/upload.lua"),
    "nim": Language("OUT/upload", "nim c --hints:off --nimcache:OUT/cache -o:OUT/upload SRC/upload.nim"),
    "pascal": Language("OUT/upload", "fpc -v0w -FUOUT -oOUT/upload -FlLIB SRC/upload.pas"),
    "perl": Language("perl SRC/upload.pl"),
    "php": Language("php SRC/upload.php"),
    "racket": Language("racket SRC/upload.rkt"),
    "ruby": Language("ruby -w SRC/upload.rb"),
}


class Program:
    """A program that is built."""

    def __init__(self, language: str, out: Path) -> None:
        self._out, self._source = out, EXAMPLES / language
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
            done = self._run(self._words(build), {})
            assert done.returncode == 0, done.stdout + done.stderr
        # The first run of some interpreters compiles their libraries and reports it.
        self.run({})

    def run(self, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs the program with AWS settings and arguments."""
        return self._run([*self._command, *arguments], environment)

    def _words(self, command: str) -> list[str]:
        places = {"SRC": str(self._source), "OUT": str(self._out), "LIB": str(PREFIX / "lib")}
        words = command.split()
        for name, place in places.items():
            words = [word.replace(name, place) for word in words]
        return words

    def _run(self, command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env={**self._environment, **environment}, cwd=self._out, capture_output=True, encoding="utf-8"
        )
