"""Pictures as inline SVG: text stays text, colours come from the page's style, ids never clash.

matplotlib draws with stand-in colours; afterwards they become CSS variables, so that one picture serves light, dark
and print.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = 8  # that the page's style has for approaches
INK, SOFT, LINE, PAPER = "#010101", "#020202", "#030303", "#040404"
OWN = tuple(f"#0000{16 + place:02x}" for place in range(COLOURS))
_VARIABLES = {
    INK: "var(--ink)",
    SOFT: "var(--soft)",
    LINE: "var(--line)",
    PAPER: "var(--paper)",
    **{colour: f"var(--a{place})" for place, colour in enumerate(OWN)},
}
_WIDTH = 5.4  # inches: 72 units of the picture each


def draw_svg(salt: str, height: float, draw: Callable[[Axes], None]) -> str:
    """Lets `draw` fill one pair of axes and gives the picture as an <svg> element; the same input, the same text."""
    with _style(salt):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(_WIDTH, height), dpi=72, layout="constrained")
        axes = figure.add_subplot()
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.tick_params(length=0, pad=6)
        axes.set_axisbelow(True)
        draw(axes)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return _inline(out.getvalue(), salt)


@contextmanager
def _style(salt: str) -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever style the user has set up
        matplotlib.rcParams.update(
            {
                "svg.fonttype": "none",
                "svg.hashsalt": f"groundtune {salt}",
                "font.size": 12,
                "text.color": INK,
                "axes.labelcolor": SOFT,
                "axes.edgecolor": SOFT,
                "xtick.color": SOFT,
                "ytick.color": INK,
            }
        )
        yield


def _inline(svg: str, salt: str) -> str:
    """An SVG file as an element for a page: no header, no style of its own, ids with a prefix, colours by variable."""
    root = ElementTree.fromstring(svg.encode())
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for key in list(element.attrib):
            value = element.attrib.pop(key)
            element.set(key.rpartition("}")[2], _attribute(key, value, salt))
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag in ("metadata", "style")]:
            parent.remove(child)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("aria-hidden", "true")  # the page says the same in words
    return ElementTree.tostring(root, encoding="unicode")


def _attribute(key: str, value: str, salt: str) -> str:
    if key == "id":
        return f"{salt}-{value}"
    if key.endswith("href"):
        return value.replace("#", f"#{salt}-", 1)
    if key == "clip-path":
        return value.replace("url(#", f"url(#{salt}-")
    if key == "style":
        value = re.sub(
            r"font-family: [^;]+;?|font: (\S+) [^;]+;?", lambda m: f"font-size: {m[1]};" if m[1] else "", value
        )
        return re.sub(r"#[0-9a-f]{6}", lambda match: _VARIABLES.get(match[0], match[0]), value)
    return value
