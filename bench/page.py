"""The results as one self-contained HTML page: a bar for each ratio, a line for what grows."""
import html
import math

import report

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
       color: #1c2733; background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2.2rem }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .15rem .7rem; text-align: right; border-bottom: 1px solid #dde3e9 }
th:first-child, td:first-child { text-align: left }
th { font-weight: 600; vertical-align: bottom } .wide { overflow-x: auto }
svg { max-width: 100%; height: auto; display: block; margin: .8rem 0 } svg text { font-size: 13px;
       fill: #1c2733 }
"""
BAR, GOAL, LINE, GRID = "#2b6cb0", "#c05621", "#2b6cb0", "#dde3e9"


def escape(text):
    return html.escape(str(text))


def bars(ratios):
    """A bar for each ratio; 1.0 and the goal are marked."""
    left, width, step = 330, 380, 30
    top = min(2, max(1.2, *(each["value"] for each in ratios)))  # what is more is cut off
    height = step * len(ratios) + 26

    def x(value):
        return left + width * min(value, top) / top
    shapes = [f'<line x1="{x(1):.1f}" y1="0" x2="{x(1):.1f}" y2="{height - 22}" stroke="{GRID}"/>',
              f'<text x="{x(1):.1f}" y="{height - 6}" text-anchor="middle">1</text>']
    for i, ratio in enumerate(ratios):
        y = i * step + 4
        shapes.append(f'<text x="{left - 8}" y="{y + 16}" text-anchor="end">{escape(ratio["name"])}'
                      "</text>"
                      f'<rect x="{left}" y="{y}" width="{x(ratio["value"]) - left:.1f}" '
                      f'height="20" fill="{BAR}"/>')
        beyond = max(ratio["value"], number_in(ratio))
        if ratio["goal"]:
            shapes.append(f'<line x1="{x(number_in(ratio)):.1f}" y1="{y - 3}" '
                          f'x2="{x(number_in(ratio)):.1f}" y2="{y + 23}" stroke="{GOAL}" '
                          'stroke-width="3"/>')
        goal = f" (goal {ratio['goal']})" if ratio["goal"] else ""
        shapes.append(f'<text x="{x(beyond) + 8:.1f}" y="{y + 15}">{ratio["value"]:.2f}'
                      f"{escape(goal)}</text>")
    return svg(left + width + 150, height, shapes, "The ratios as bars")


def number_in(ratio):
    return float(ratio["goal"].split()[-1]) if ratio["goal"] else 0.0


def lines(part):
    """The rate over what grows, on a logarithmic axis; a line for each kind of lane."""
    left, right, width, height, bottom = 70, 190, 560, 230, 44
    series = {}
    for name, at in part["at"].items():
        if at is None:
            continue
        kind = name.split(", ")[1] if ", " in name and name.endswith("at a time") else ""
        series.setdefault(kind, []).append((at, part["medians"][name]["rate"], name))
    every = [point for some in series.values() for point in some]
    low, high = (math.log(pick(at for at, _, _ in every)) for pick in (min, max))
    top = max(rate for _, rate, _ in every) * 1.1

    def x(at):
        return left + width * ((math.log(at) - low) / (high - low) if high > low else 0.5)

    def y(rate):
        return 10 + height * (1 - rate / top)
    shapes = []
    for i in range(5):
        value = top * i / 4
        shapes.append(f'<line x1="{left}" y1="{y(value):.1f}" x2="{left + width}" '
                      f'y2="{y(value):.1f}" stroke="{GRID}"/>'
                      f'<text x="{left - 8}" y="{y(value) + 4:.1f}" '
                      f'text-anchor="end">{value:,.0f}</text>')
    for at in sorted({at for at, _, _ in every}):
        shapes.append(f'<text x="{x(at):.1f}" y="{height + 28}" text-anchor="middle">'
                      f"{at:,.0f}</text>")
    shapes.append(f'<text x="{left + width / 2}" y="{height + bottom + 4}" text-anchor="middle">'
                  f'{escape(part["axis"])}</text>')
    for number, (kind, some) in enumerate(series.items()):
        some.sort()
        points = " ".join(f"{x(at):.1f},{y(rate):.1f}" for at, rate, _ in some)
        dash = ' stroke-dasharray="6 4"' if number else ""
        shapes.append(f'<polyline points="{points}" fill="none" stroke="{LINE}" '
                      f'stroke-width="2"{dash}/>')
        shapes += [f'<circle cx="{x(at):.1f}" cy="{y(rate):.1f}" r="4" fill="{LINE}"><title>'
                   f"{escape(name)}: {rate:,.0f} a second</title></circle>"
                   for at, rate, name in some]
        at, rate, _ = some[-1]
        shapes.append(f'<text x="{x(at) + 9:.1f}" y="{y(rate) + 4:.1f}">'
                      f"{escape(kind or 'a second')}</text>")
    return svg(left + width + right, height + bottom + 10, shapes, part["title"])


def svg(width, height, shapes, title):
    return (f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" '
            f'aria-label="{escape(title)}">{"".join(shapes)}</svg>')


def table(part):
    keys = report.columns_of(part["medians"])
    head = "".join(f"<th>{escape(report.COLUMNS[key][0])}</th>" for key in keys)
    rows = "".join(f"<tr><td>{escape(name)}</td>" + "".join(
        f"<td>{escape(report.cell(sample, key))}</td>" for key in keys) + "</tr>"
        for name, sample in part["medians"].items())
    return f'<div class="wide"><table><tr><th></th>{head}</tr>{rows}</table></div>'


def write(path, results):
    body = []
    ratios = [each for part in results["parts"].values() for each in part["ratios"]]
    if ratios:
        body.append("<h2>Ratios</h2>" + bars(ratios))
    for part in results["parts"].values():
        body.append(f"<h2>{escape(part['title'])}</h2>")
        if part["axis"]:
            body.append(lines(part))
        body.append(table(part))
    path.write_text(f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Regroup: the bench</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>
<body>
<h1>Regroup beside what its database and its HTTP server can do</h1>
<p>{escape(results['began'])}: {escape(report.machine_line(results))}.</p>
{"".join(body)}
</body></html>
""", encoding="utf-8")
