"""Writes the pictures of the command in the manual: docs/screens/*.svg. `make screens` runs it.

Each picture is the screen of a pseudoterminal in which the command runs against a local Glacier with scripted faults.

usage: screens.py GLACIER_MP GLACIER_EMULATOR
"""

from __future__ import annotations

import fcntl
import html
import os
import pty
import re
import select
import signal
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pyte

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support")]

# The cell of a character, in pixels.
WIDTH, HEIGHT, MARGIN = 8.4, 18, 12
BACKGROUND, FOREGROUND = "#1e1e1e", "#d4d4d4"
COLORS = {"default": FOREGROUND, "green": "#6cc26c", "brown": "#d7ba7d", "red": "#f48771"}
DEADLINE = 60
MIB = 1 << 20
FILES = ["backup-monday.tar", "backup-tuesday.tar"]


class Terminal:
    """A command on a pseudoterminal, after a prompt with its command line."""

    def __init__(
        self, command: list[str], columns: int, rows: int, directory: Path, environment: dict[str, str]
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.type(command)
        self.process, self._terminal = pty.fork()
        if self.process == 0:
            os.chdir(directory)
            os.execvpe(command[0], command, environment)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, command: list[str]) -> None:
        self._stream.feed(f"$ {' '.join(command)}\r\n".encode())

    def read(self, seconds: float) -> bool:
        """Draws what the command writes within a time. Returns False after its end."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self._terminal], [], [], left)[0]:
                try:
                    data = os.read(self._terminal, 65536)
                except OSError:
                    data = b""
                if not data:
                    return False
                self._stream.feed(data)
        return True

    def text(self) -> str:
        return "\n".join(self.screen.display)

    def wait_for(self, pattern: str) -> None:
        start = time.monotonic()
        while not re.search(pattern, self.text()):
            if not self.read(0.1) or time.monotonic() - start > DEADLINE:
                raise SystemExit(f"{pattern!r} does not appear:\n{self.text()}")

    def end(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.process, number)
        while self.read(1):
            pass
        os.waitpid(self.process, 0)


def svg(screen: pyte.Screen, title: str) -> str:
    """Returns a screen as a picture, without its empty last lines."""
    lines = [screen.buffer[row] for row in range(screen.lines)]
    texts = screen.display
    while texts and not texts[-1].strip():
        texts.pop()
    width, height = screen.columns * WIDTH + 2 * MARGIN, len(texts) * HEIGHT + 2 * MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
        f'viewBox="0 0 {width:.0f} {height}" role="img">',
        f"<title>{html.escape(title)}</title>",
        f'<rect width="100%" height="100%" rx="6" fill="{BACKGROUND}"/>',
        f'<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14" fill="{FOREGROUND}" '
        'xml:space="preserve">',
    ]
    for row in range(len(texts)):
        y = MARGIN + row * HEIGHT + 13
        for start, end, color in spans(lines[row], screen.columns):
            text = "".join(lines[row][column].data for column in range(start, end)).rstrip()
            if text:
                # The length makes columns match in every font.
                x, length = MARGIN + start * WIDTH, len(text) * WIDTH
                fill = "" if color == "default" else f' fill="{COLORS[color]}"'
                out.append(
                    f'<text x="{x:.1f}" y="{y}" textLength="{length:.1f}" '
                    f'lengthAdjust="spacingAndGlyphs"{fill}>{html.escape(text, quote=False)}</text>'
                )
    return "\n".join([*out, "</g>", "</svg>", ""])


def spans(line: dict[int, pyte.screens.Char], columns: int) -> list[tuple[int, int, str]]:
    """Divides a line into words of one color."""
    found: list[tuple[int, int, str]] = []
    for column in range(columns):
        char = line[column]
        if char.data == " ":
            continue
        if found and found[-1][1] == column and found[-1][2] == char.fg:
            found[-1] = (found[-1][0], column + 1, char.fg)
        else:
            found.append((column, column + 1, char.fg))
    return found


class Place:
    """A local Glacier, and a directory with files and the state of the command."""

    def __init__(self, directory: Path) -> None:
        from local_glacier import KEY, REGION, LocalGlacier

        self.glacier = LocalGlacier("--vault", "backups")
        self.directory = directory
        programs = directory / ".bin"
        programs.mkdir()
        (programs / "glacier-mp").symlink_to(Path(sys.argv[1]).resolve())
        for name in FILES:
            (directory / name).write_bytes(os.urandom(64 * MIB))
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(directory),
            "TERM": "xterm-256color",
            "AWS_ENDPOINT_URL_GLACIER": self.glacier.endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": KEY["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": KEY["aws_secret_access_key"],
            "GLACIER_MP_VAULT": "backups",
        }

    def start(self, command: list[str], columns: int, rows: int, **variables: str) -> Terminal:
        return Terminal(command, columns, rows, self.directory, {**self.environment, **variables})


def stalled_uploads(place: Place, columns: int, **variables: str) -> Terminal:
    """Starts an upload of two files. One part is retried, and the last parts of each file do not end."""
    place.glacier.fault("status", "UploadMultipartPart", part=2, status=503)
    for part in range(6, 16):
        place.glacier.fault("stall", "UploadMultipartPart", part=part, always=True, after_bytes=MIB)
    terminal = place.start(
        ["glacier-mp", "upload", "--limit-rate=20M", "--part-size=4M", *FILES], columns, 16, **variables
    )
    terminal.wait_for(r"1 retry[\s\S]*all 0/2|all 0/2[\s\S]*1 retry")
    terminal.read(4)
    return terminal


def wide(place: Place) -> Terminal:
    return stalled_uploads(place, 120)


def narrow(place: Place) -> Terminal:
    return stalled_uploads(place, 48)


def without_color(place: Place) -> Terminal:
    return stalled_uploads(place, 80, NO_COLOR="1")


def stopped(place: Place) -> Terminal:
    place.glacier.fault("stall", "UploadMultipartPart", part=9, always=True, after_bytes=MIB)
    terminal = place.start(["glacier-mp", "upload", "--part-size=4M", FILES[0]], 100, 16)
    terminal.wait_for(r"15/16 parts")
    terminal.end(signal.SIGINT)
    place.glacier.admin("DELETE", "faults")
    command = terminal.text().strip().splitlines()[-1].split()
    again = place.start(command, 100, 16)
    while again.read(1):
        pass
    os.waitpid(again.process, 0)
    # One screen with both commands.
    both = pyte.Screen(100, 24)
    stream = pyte.Stream(both)
    stream.feed("\r\n".join(line.rstrip() for line in terminal.text().rstrip().splitlines()) + "\r\n")
    stream.feed("\r\n".join(line.rstrip() for line in again.text().rstrip().splitlines()))
    again.screen = both
    return again


PICTURES: dict[str, tuple[str, Callable[[Place], Terminal]]] = {
    "wide": ("Two uploads on a terminal with 120 columns", wide),
    "narrow": ("The same uploads on a terminal with 48 columns", narrow),
    "without-color": ("The same uploads on a terminal with 80 columns and NO_COLOR", without_color),
    "stopped": ("An upload that is stopped by Ctrl-C, and resumed by the command that it printed", stopped),
}


def main() -> None:
    os.environ["GLACIER_EMULATOR"] = str(Path(sys.argv[2]).resolve())
    target = ROOT / "docs" / "screens"
    target.mkdir(exist_ok=True)
    for name, (title, make) in PICTURES.items():
        with tempfile.TemporaryDirectory(prefix="backups-") as directory:
            place = Place(Path(directory))
            terminal = make(place)
            picture = svg(terminal.screen, title)
            if name != "stopped":
                terminal.end()
            place.glacier.close()
        (target / f"{name}.svg").write_text(picture, encoding="utf-8")
        print(target / f"{name}.svg")


if __name__ == "__main__":
    main()
