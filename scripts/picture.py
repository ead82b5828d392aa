"""Runs a command in a terminal of its own and draws what it showed as SVG.

    picture.py OUT.svg -- COMMAND...

Kept are the blocks that begin with a prompt (`$ lifeboat ...`) of one of KEEP.
Only Python's standard library.
"""

import fcntl
import os
import pty
import re
import struct
import sys
import termios
from html import escape

COLUMNS = 100
HEAD, TAIL = 3, 10  # lines of one command; what lies between is counted
KEEP = ("lifeboat detect disk", "lifeboat verify disk", "lifeboat offload", "lifeboat restore")

CHAR, LINE, SIZE = 7.8, 18, 13  # of the drawing, in pixels
COLOURS = {"": "#d8dee9", "bold": "#ffffff", "dim": "#7b8699", "red": "#ff7b72"}


def run(command):
    """What the command wrote to its terminal, and its exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS=str(COLUMNS))
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    shown = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the other end was closed
            break
        if not piece:
            break
        sys.stdout.buffer.write(piece)
        sys.stdout.flush()
        shown += piece
    _, status = os.waitpid(pid, 0)
    return shown.decode("utf-8", "replace"), os.waitstatus_to_exitcode(status)


class Screen:
    """As much of a terminal as progress bars and colours need."""

    def __init__(self):
        self.lines = [[]]  # of (character, style)
        self.row = self.column = 0
        self.style = ""

    def line(self):
        while len(self.lines) <= self.row:
            self.lines.append([])
        return self.lines[self.row]

    def put(self, char):
        if self.column == COLUMNS:
            self.row, self.column = self.row + 1, 0
        line = self.line()
        line.extend([(" ", "")] * (self.column + 1 - len(line)))
        line[self.column] = (char, self.style)
        self.column += 1

    def control(self, numbers, letter):
        count = int(numbers.split(";")[0] or 0) if numbers.replace(";", "").isdigit() else 0
        line = self.line()
        if letter == "A":
            self.row = max(0, self.row - max(1, count))
        elif letter == "B":
            self.row += max(1, count)
        elif letter == "C":
            self.column = min(COLUMNS - 1, self.column + max(1, count))
        elif letter == "D":
            self.column = max(0, self.column - max(1, count))
        elif letter == "G":
            self.column = max(0, count - 1)
        elif letter == "K" and count == 0:
            del line[self.column :]
        elif letter == "K" and count == 2:
            line.clear()
        elif letter == "J" and count == 0:
            del line[self.column :]
            del self.lines[self.row + 1 :]
        elif letter == "m":
            self.style = {1: "bold", 2: "dim", 31: "red"}.get(count, "")

    def feed(self, text):
        for found in re.finditer(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b.|(.)", text, re.DOTALL):
            numbers, letter, char = found.groups()
            if letter:
                self.control(numbers, letter)
            elif char == "\n":
                self.row, self.column = self.row + 1, 0
                self.line()
            elif char == "\r":
                self.column = 0
            elif char == "\t":
                self.column = min(COLUMNS - 1, (self.column // 8 + 1) * 8)
            elif char and char >= " ":
                self.put(char)


def blocks(lines):
    """Prompt lines with what followed, up to the next prompt or remark."""
    found = []
    for line in lines:
        text = "".join(char for char, _ in line).rstrip()
        if text.startswith("$ "):
            found.append((text[2:], [line]))
        elif text.startswith("# "):
            found.append(("", []))
        elif found:
            found[-1][1].append(line)
    for command, block in found:
        while block and not "".join(char for char, _ in block[-1]).strip():
            block.pop()
        if command.startswith(KEEP):
            yield block


def draw(lines):
    width, height = COLUMNS * CHAR + 32, len(lines) * LINE + 52
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
        f'viewBox="0 0 {width:.0f} {height}" role="img" aria-label="A run of Lifeboat">',
        f'<rect width="{width:.0f}" height="{height}" rx="8" fill="#1b1f27"/>',
        *(f'<circle cx="{20 + 18 * i}" cy="18" r="5" fill="#3b4252"/>' for i in range(3)),
        '<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace" '
        f'font-size="{SIZE}" xml:space="preserve" style="white-space:pre">',
    ]
    for row, line in enumerate(lines):
        for piece in re.finditer(r"(?P<style>\S)(?:(?P=style))*", "".join(s[1][:1] or "n" for s in line)):
            start, end = piece.span()
            text = "".join(char for char, _ in line[start:end]).rstrip()
            indent = len(text) - len(text.lstrip())
            # Several blanks in a row would be drawn as one, and the text stretched.
            text = text.lstrip().replace(" ", "\u00a0")
            if not text:
                continue
            style = line[start][1]
            weight = ' font-weight="bold"' if style == "bold" else ""
            out.append(
                f'<text x="{16 + (start + indent) * CHAR:.1f}" y="{48 + row * LINE}" '
                f'textLength="{len(text) * CHAR:.1f}" fill="{COLOURS[style]}"{weight}>{escape(text)}</text>'
            )
    out += ["</g>", "</svg>", ""]
    return "\n".join(out)


def main():
    if len(sys.argv) < 4 or sys.argv[2] != "--":
        sys.exit(__doc__)
    shown, code = run(sys.argv[3:])
    if code != 0:
        sys.exit(f"picture: the command ended with {code}; the picture stays as it was")
    screen = Screen()
    screen.feed(shown)
    lines = []
    for block in blocks(screen.lines):
        if len(block) > HEAD + TAIL + 2:
            rest = len(block) - HEAD - TAIL
            between = [[(char, "dim") for char in f"  ... {rest} more lines"]]
            block = block[:HEAD] + between + block[-TAIL:]
        lines += block + [[]]
    if not lines:
        sys.exit("picture: none of the commands to keep was shown")
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        out.write(draw(lines[:-1]))
    print(f"picture: {sys.argv[1]}, {len(lines) - 1} lines")


main()
