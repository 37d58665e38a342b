"""The pages' icons: inline SVG on a 20 px grid, 1.6 px strokes in `currentColor`, hidden from screen readers.

The one filled shape is Facebook's mark, drawn as its brand page has it.
"""

from __future__ import annotations

from markupsafe import Markup

_STROKED = {
    "alert": '<circle cx="10" cy="10" r="7.2"/><path d="M10 6.4v4.2M10 13.4v.1"/>',
    "arc": '<path d="M10 3.2A6.8 6.8 0 1 1 3.2 10"/>',
    "chat": '<path d="M10.3 3.3a6.7 6.7 0 1 1-3 12.7l-3.6.9 1-3.3a6.7 6.7 0 0 1 5.6-10.3z"/>',
    "check": '<path d="m4.2 10.6 3.7 3.7 7.9-8.6"/>',
    "chevron": '<path d="m5.5 8 4.5 4.5L14.5 8"/>',
    "clock": '<circle cx="10" cy="10" r="7.2"/><path d="M10 5.8V10l2.8 1.9"/>',
    "copy": '<rect x="7.2" y="7.2" width="9.2" height="9.2" rx="2"/>'
    '<path d="M12.8 7.2V5.6a2 2 0 0 0-2-2H5.6a2 2 0 0 0-2 2v5.2a2 2 0 0 0 2 2h1.6"/>',
    "cross": '<path d="m5.5 5.5 9 9m0-9-9 9"/>',
    "help": '<circle cx="10" cy="10" r="7.2"/><path d="M7.9 8a2.2 2.2 0 0 1 4.3.6c0 1.5-2.2 1.7-2.2 3.1M10 14.1v.1"/>',
    "link": '<path d="M8.5 11.5a3.2 3.2 0 0 0 4.6 0l2.6-2.6a3.2 3.2 0 0 0-4.6-4.6l-.8.8"/>'
    '<path d="M11.5 8.5a3.2 3.2 0 0 0-4.6 0l-2.6 2.6a3.2 3.2 0 0 0 4.6 4.6l.8-.8"/>',
    "lock": '<rect x="3.6" y="8.8" width="12.8" height="8" rx="2.2"/><path d="M6.6 8.8V6.6a3.4 3.4 0 0 1 6.8 0v2.2"/>',
    "outside": '<path d="M9 4.2H6.2a2 2 0 0 0-2 2v7.6a2 2 0 0 0 2 2h7.6a2 2 0 0 0 2-2V11"/>'
    '<path d="M12.2 3.6h4.2v4.2M16 4l-6 6"/>',
    "pause": '<path d="M8 6.5v7M12 6.5v7"/>',
    "person": '<circle cx="10" cy="6.8" r="3.2"/><path d="M4 16.8c.5-3.2 2.9-5 6-5s5.5 1.8 6 5"/>',
    "phone": '<rect x="5.6" y="2.8" width="8.8" height="14.4" rx="2.2"/><path d="M9 14.4h2"/>',
    "plus": '<circle cx="10" cy="10" r="7.2"/><path d="M10 6.8v6.4M6.8 10h6.4"/>',
    "search": '<circle cx="9" cy="9" r="5.6"/><path d="m13.2 13.2 3.8 3.8"/>',
    "shop": '<path d="M4.2 9.4v6a1.4 1.4 0 0 0 1.4 1.4h8.8a1.4 1.4 0 0 0 1.4-1.4v-6"/>'
    '<path d="M4.4 3.6h11.2l1.2 3.6a2.2 2.2 0 0 1-4.4.4 2.4 2.4 0 0 1-4.8 0 2.2 2.2 0 0 1-4.4-.4z"/>',
}
_FACEBOOK = (
    '<path d="M24 12.073c0-6.627-5.373-12-12-12s-12 5.373-12 12c0 5.99 4.388 10.954 10.125 11.854v-8.385H7.078v-3.47'
    "h3.047V9.43c0-3.007 1.792-4.669 4.533-4.669 1.312 0 2.686.235 2.686.235v2.953H15.83c-1.491 0-1.956.925-1.956 1.874"
    'v2.25h3.328l-.532 3.47h-2.796v8.385C19.612 23.027 24 18.062 24 12.073z"/>'
)


def _inline(css_class: str, grid: int, shape: str) -> Markup:
    svg = f'<svg class="{css_class}" viewBox="0 0 {grid} {grid}" aria-hidden="true">{shape}</svg>'
    return Markup(svg)  # noqa: S704 - constants of this file


ICONS: dict[str, Markup] = {name: _inline("i", 20, shape) for name, shape in _STROKED.items()}
ICONS["facebook"] = _inline("fb", 24, _FACEBOOK)
