"""The card with what a phone needs: the hotspot's name and pass-phrase, a code to join it, a code that opens the page.

One layout, of a bank card's size (ISO/IEC 7810 ID-1), drawn as SVG (the page), PDF (a printer), PNG (Pillow) or on a
terminal. QR codes by segno.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import segno

from appliance import storage
from appliance.box import hotspot
from appliance.errors import BadRequest, NotInstalled

WIDTH_MM, HEIGHT_MM = 85.6, 53.98
_CODE_MM = 26.0
_QUIET_MODULES = 4  # ISO/IEC 18004: so much white around a code
_POINTS_PER_MM = 72 / 25.4
_PNG_DOTS_PER_MM = 600 / 25.4 / 2  # 300 dpi
_ADVANCE = 0.6  # width of a character of Courier, and of every font that stands in for it


@dataclass(frozen=True)
class Card:
    """What stands on it."""

    ssid: str
    passphrase: str
    address: str = hotspot.ADDRESS
    name: str = "pedal.local"

    @property
    def page(self) -> str:
        """The address that always works."""
        return f"http://{self.address}"


@dataclass(frozen=True)
class Text:
    """A line: its left end and base line in mm, its height in mm, and whether it is bold; of a fixed-width face, so
    that l, 1 and I differ and its width is known."""

    x: float
    y: float
    size: float
    words: str
    bold: bool = False


@dataclass(frozen=True)
class Code:
    """A QR code: the upper left corner and the width of what is dark of it, in mm."""

    x: float
    y: float
    width: float
    says: str

    def bars(self) -> tuple[float, list[tuple[float, float, float]]]:
        """Side of a module in mm; left end, top and width of each run of dark ones in a row."""
        rows = [list(row) for row in segno.make(self.says, error="m", micro=False).matrix_iter(border=0)]
        side = self.width / len(rows)
        found = []
        for y, row in enumerate(rows):
            x = 0
            for dark, run in groupby(row):
                count = len(list(run))
                if dark:
                    found.append((self.x + x * side, self.y + y * side, count * side))
                x += count
        return side, found

    @property
    def quiet(self) -> float:
        """How much white it needs around it, in mm."""
        return _QUIET_MODULES * self.bars()[0]


def from_report(report: Mapping[str, Any]) -> Card:
    """The card of what the network service told."""
    return Card(report["ssid"], report["passphrase"], report["address"], report.get("name") or "pedal.local")


def layout(card: Card) -> Iterator[Text | Code]:
    """Everything on the card."""
    left, right = 8.0, WIDTH_MM - 8.0 - _CODE_MM
    yield Text(left, 5.2, 3.0, "1 Join", bold=True)
    yield Code(left, 9.8, _CODE_MM, hotspot.wifi_code(card.ssid, card.passphrase))
    yield Text(right, 5.2, 3.0, "2 Play", bold=True)
    yield Code(right, 9.8, _CODE_MM, card.page)
    yield _fitting(left, 42.8, 3.2, f"Wi-Fi {card.ssid}")
    yield _fitting(left, 47.5, 4.4, card.passphrase, bold=True)
    yield _fitting(left, 51.4, 2.8, f"{card.page} or http://{card.name}")


def svg(card: Card) -> str:
    """As an SVG document, dark on white."""
    parts = []
    for item in layout(card):
        if isinstance(item, Text):
            weight = ' font-weight="bold"' if item.bold else ""
            parts.append(
                f'<text x="{item.x:.2f}" y="{item.y:.2f}" font-size="{item.size:.2f}"{weight} textLength='
                f'"{_width(item):.2f}" xml:space="preserve">{escape(item.words)}</text>'
            )
        else:
            side, bars = item.bars()
            path = "".join(f"M{x:.3f} {y:.3f}h{width:.3f}v{side:.3f}h-{width:.3f}z" for x, y, width in bars)
            parts.append(f'<path d="{path}" shape-rendering="crispEdges"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_MM}mm" height="{HEIGHT_MM}mm" '
        f'viewBox="0 0 {WIDTH_MM} {HEIGHT_MM}" font-family="Courier, &quot;Courier New&quot;, monospace">'
        f'<rect width="100%" height="100%" rx="3" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def pdf(card: Card) -> bytes:
    """As a PDF page of the card's size, in a font that every viewer brings."""
    drawn = []
    for item in layout(card):
        if isinstance(item, Text):
            words = item.words.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
            font = "F2" if item.bold else "F1"
            drawn.append(f"BT /{font} {_pt(item.size):.2f} Tf {_pt(item.x):.2f} {_up(item.y):.2f} Td ({words}) Tj ET")
        else:
            side, bars = item.bars()
            drawn += [f"{_pt(x):.3f} {_up(y + side):.3f} {_pt(width):.3f} {_pt(side):.3f} re f" for x, y, width in bars]
    content = "\n".join(drawn).encode("latin-1", errors="replace")
    box = f"[0 0 {_pt(WIDTH_MM):.2f} {_pt(HEIGHT_MM):.2f}]"
    resources = "<< /Font << /F1 4 0 R /F2 5 0 R >> >>"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox {box} /Contents 6 0 R /Resources {resources} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier-Bold /Encoding /WinAnsiEncoding >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
    ]
    file = io.BytesIO()
    file.write(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(file.tell())
        file.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    table = file.tell()
    file.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    file.write(b"".join(b"%010d 00000 n \n" % place for place in places))
    file.write(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table))
    return file.getvalue()


def png(card: Card) -> bytes:
    """As a picture of 300 dots per inch. Raises NotInstalled without Pillow."""
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise NotInstalled("a PNG needs Pillow (pip install pillow); .svg and .pdf need nothing") from error
    dots = _PNG_DOTS_PER_MM
    image = Image.new("L", (round(WIDTH_MM * dots), round(HEIGHT_MM * dots)), 255)
    draw = ImageDraw.Draw(image)
    for item in layout(card):
        if isinstance(item, Text):
            font = ImageFont.load_default(item.size * dots)
            font = ImageFont.load_default(item.size * dots * min(1.0, _width(item) * dots / font.getlength(item.words)))
            weight = round(item.size * dots / 40) if item.bold else 0
            draw.text((item.x * dots, item.y * dots), item.words, 0, font, anchor="ls", stroke_width=weight)
        else:
            side, bars = item.bars()
            for x, y, width in bars:  # each to whole dots, so that no hair line is left between two
                edges = (round(x * dots), round(y * dots), round((x + width) * dots) - 1, round((y + side) * dots) - 1)
                draw.rectangle(edges, fill=0)
    file = io.BytesIO()
    image.save(file, "PNG", dpi=(300, 300))
    return file.getvalue()


def terminal(card: Card) -> str:
    """For a terminal: both codes, and the words."""
    lines = []
    for title, says in (("1  Join", hotspot.wifi_code(card.ssid, card.passphrase)), ("2  Play", card.page)):
        drawn = io.StringIO()
        segno.make(says, error="l", micro=False).terminal(drawn, border=2, compact=True)
        lines.append(f"{title}\n{drawn.getvalue()}")
    words = (("Wi-Fi", card.ssid), ("Pass-phrase", card.passphrase), ("Page", f"{card.page} or http://{card.name}"))
    lines += [f"{title + ':':14}{value}" for title, value in words]
    return "\n".join(lines)


def write(card: Card, path: Path) -> None:
    """Into a file; what it becomes is said by its ending. Raises BadRequest, NotInstalled, StorageError."""
    ways = {".svg": lambda: svg(card).encode(), ".pdf": lambda: pdf(card), ".png": lambda: png(card)}
    if path.suffix.lower() not in ways:
        raise BadRequest(f"{path.name} ends in none of {', '.join(ways)}: name it by what it shall be")
    data = ways[path.suffix.lower()]()
    try:
        path.write_bytes(data)
    except OSError as error:
        raise storage.storage_error(f"{path} could not be written", error) from error


def _fitting(x: float, y: float, size: float, words: str, *, bold: bool = False) -> Text:
    """A line that ends on the card, smaller where it is long."""
    room = WIDTH_MM - 2 * x
    return Text(x, y, min(size, room / (_ADVANCE * len(words))), words, bold)


def _width(text: Text) -> float:
    return len(text.words) * text.size * _ADVANCE


def _pt(mm: float) -> float:
    return mm * _POINTS_PER_MM


def _up(y_mm: float) -> float:
    return _pt(HEIGHT_MM - y_mm)  # PDF counts from below
