"""The C examples, linked with the library that cargo built for the Rust tests."""

import os
import subprocess
from pathlib import Path

from local import KEY, ROOT

LIBRARY = Path(os.environ.get("GLACIER_MP_LIBRARY") or ROOT / "target/debug/deps/libglacier_mp.so")


class Programs:
    def __init__(self, directory):
        self._directory = directory
        for name in ("libglacier_mp.so", "libglacier_mp.so.0"):
            (directory / name).symlink_to(LIBRARY)

    def upload(self, glacier, file, *options):
        """Uploads a file. Returns the exit code, the output by name, and standard error."""
        if glacier.ca_file:
            options += (f"--ca-file={glacier.ca_file}",)
        vault = "examplevault"
        done = self._run(
            "upload", f"--endpoint={glacier.endpoint}", "--region=us-east-1", *options, "--", vault, str(file)
        )
        output = dict(line.split(": ", 1) for line in done.stdout.splitlines())
        return done.returncode, output, done.stderr

    def tree_hash(self, file):
        return self._run("treehash", "--", str(file)).stdout.split()[0]

    def _run(self, name, *arguments):
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": KEY["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": KEY["aws_secret_access_key"],
        }
        return subprocess.run([self._program(name), *arguments], env=environment, capture_output=True, text=True)

    def _program(self, name):
        program = self._directory / name
        if not program.exists():
            source = ROOT / "bindings/c/examples" / f"{name}.c"
            command = [os.environ.get("CC", "cc"), "-std=c99", "-I", ROOT / "include", source, "-o", program]
            command += ["-L", self._directory, "-lglacier_mp", "-pthread", f"-Wl,-rpath,{self._directory}"]
            subprocess.run(command, check=True)
        return program
