"""Runs a command on a terminal of its own and draws what it showed as an SVG.

    terminal.py OUTPUT.svg [--columns N] [--title TEXT] [--from TEXT] [--to TEXT] -- COMMAND…

--from and --to cut the picture down to the lines between the first that contain these texts. The
command's exit code is this program's."""

import argparse
import fcntl
import html
import os
import pty
import re
import struct
import sys
import termios
import typing
import unicodedata

PALETTE = {30: "#6e7681", 31: "#ff7b72", 32: "#7ee787", 33: "#e3b341", 34: "#79c0ff", 35: "#d2a8ff", 36: "#76e3ea", 37: "#e6edf3"}
PLAIN, BACKGROUND, FAINT = "#e6edf3", "#0d1117", "#8b949e"
CELL, LINE, MARGIN, BAR = 8.4, 19, 18, 38
SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b\][^\x07]*\x07|\x1b[=>()][0-9A-Z]?")


def main():
    options, command = arguments()
    status, shown = record(command, options.columns)
    screen = Screen(options.columns)
    screen.write(shown)
    lines = cut(screen.lines(), options.start, options.end)
    with open(options.output, "w") as file:
        file.write(draw(lines, options.columns, options.title or " ".join(command)))
    return status


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output")
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--title")
    parser.add_argument("--from", dest="start")
    parser.add_argument("--to", dest="end")
    if "--" not in sys.argv:
        parser.error("the command to run follows `--`")
    at = sys.argv.index("--")
    return parser.parse_args(sys.argv[1:at]), sys.argv[at + 1:]


def record(command, columns):
    """What the command wrote to a terminal of that width, and its exit code."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS=str(columns))
        os.environ.pop("NO_COLOR", None)
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 60, columns, 0, 0))
    shown = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        shown += piece
        sys.stdout.buffer.write(piece)
        sys.stdout.flush()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode(errors="replace")


class Style(typing.NamedTuple):
    """How a character looks; `after` is how the next ones do, once a code for that has been read."""

    colour: str | None = None
    bold: bool = False
    faint: bool = False
    italic: bool = False

    def after(self, code):
        if code == 0:
            return Style()
        if code in PALETTE or code - 60 in PALETTE:
            return self._replace(colour=PALETTE.get(code) or PALETTE[code - 60])
        changes = {1: {"bold": True}, 2: {"faint": True}, 3: {"italic": True}, 22: {"bold": False, "faint": False},
                   23: {"italic": False}, 39: {"colour": None}}
        return self._replace(**changes.get(code, {}))


class Screen:
    """As much of a terminal as programs use to report progress: colours, carriage returns, moving up
    and erasing. It never scrolls anything away."""

    def __init__(self, columns):
        self.columns = columns
        self.rows, self.row, self.column, self.style = [[]], 0, 0, Style()

    def write(self, text):
        at = 0
        while at < len(text):
            sequence = SEQUENCE.match(text, at)
            if sequence:
                self.control(sequence.group(1) or "", sequence.group(2))
                at = sequence.end()
                continue
            self.put(text[at])
            at += 1

    def put(self, char):
        if char == "\n":
            self.next_row()
        elif char == "\r":
            self.column = 0
        elif char == "\b":
            self.column = max(0, self.column - 1)
        elif char >= " ":
            if self.column >= self.columns:
                self.next_row()
                self.column = 0
            row = self.rows[self.row]
            row.extend([(" ", Style())] * (self.column + 1 - len(row)))
            row[self.column] = (char, self.style)
            self.column += 2 if unicodedata.east_asian_width(char) in "WF" else 1

    def next_row(self):
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append([])

    def control(self, numbers, letter):
        values = [int(number) for number in numbers.replace("?", "").split(";") if number] or [0]
        if letter == "m":
            for value in values:
                self.style = self.style.after(value)
        elif letter == "A":
            self.row = max(0, self.row - (values[0] or 1))
        elif letter == "B":
            self.row = min(len(self.rows) - 1, self.row + (values[0] or 1))
        elif letter == "G":
            self.column = max(0, values[0] - 1)
        elif letter == "K":
            self.rows[self.row] = [] if values[0] == 2 else self.rows[self.row][: self.column]
        elif letter == "J":
            self.rows[self.row] = self.rows[self.row][: self.column]
            del self.rows[self.row + 1:]

    def lines(self):
        while self.rows and not "".join(char for char, _ in self.rows[-1]).strip():
            self.rows.pop()
        return self.rows


def cut(lines, start, end):
    texts = ["".join(char for char, _ in line) for line in lines]
    first = next((at for at, text in enumerate(texts) if start and start in text), 0)
    last = next((at for at, text in enumerate(texts) if at >= first and end and end in text), len(lines) - 1)
    return lines[first: last + 1]


def draw(lines, columns, title):
    width, height = columns * CELL + 2 * MARGIN, BAR + len(lines) * LINE + MARGIN
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img">',
           f"<title>{html.escape(title)}</title>",
           "<style>text{white-space:pre}</style>",
           f'<rect width="100%" height="100%" rx="9" fill="{BACKGROUND}"/>',
           *(f'<circle cx="{20 + 18 * at}" cy="19" r="5.5" fill="{fill}"/>' for at, fill in enumerate(("#ff5f57", "#febc2e", "#28c840"))),
           '<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace" font-size="14" xml:space="preserve">',
           f'<text x="{width / 2:.0f}" y="24" fill="{FAINT}" text-anchor="middle">{html.escape(title)}</text>']
    for number, line in enumerate(lines):
        out += runs(line, BAR + (number + 1) * LINE - 5)
    return "\n".join([*out, "</g>", "</svg>", ""])


def runs(line, y):
    """The line's pieces of one style, each placed by its column so that no font can shift it."""
    at = 0
    while at < len(line):
        end = at
        while end < len(line) and line[end][1] == line[at][1]:
            end += 1
        text = "".join(char for char, _ in line[at:end])
        if text.strip():
            lead = len(text) - len(text.lstrip())
            body = text.strip()
            yield (f'<text x="{MARGIN + (at + lead) * CELL:.1f}" y="{y}" textLength="{len(body) * CELL:.1f}" '
                   f'{attributes(line[at][1])}>{html.escape(body)}</text>')
        at = end


def attributes(style):
    colour = style.colour or (FAINT if style.faint else PLAIN)
    return f'fill="{colour}"' + ' font-weight="bold"' * style.bold + ' font-style="italic"' * style.italic


if __name__ == "__main__":
    sys.exit(main())
