"""Drawings: a page of rectangles and texts, readable on light and on dark paper."""

import xml.sax.saxutils

STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#222}.faint{fill:#777}.line{stroke:#777;stroke-width:1}"
    ".own{fill:#0d9488}.other{fill:#a8a29e}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.faint{fill:#999}.line{stroke:#aaa}.other{fill:#78716c}}"
)


def page(width, height, title, parts, more_style=""):
    """The whole file; who cannot see it hears its title."""
    said = xml.sax.saxutils.escape(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">\n'
        f"<title>{said}</title>\n<style>{STYLE}{more_style}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def rectangle(x, y, width, height, kind="", tip="", fill=""):
    """With what is said of it when one points at it."""
    drawn = f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    drawn += (f' class="{kind}"' if kind else "") + (f' fill="{fill}"' if fill else "")
    return f"{drawn}><title>{xml.sax.saxutils.escape(tip)}</title></rect>" if tip else f"{drawn}/>"


def text(x, y, said, kind="", anchor="start"):
    of_kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{of_kind}>{xml.sax.saxutils.escape(said)}</text>'


def line(x1, y1, x2, y2):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="line"/>'
