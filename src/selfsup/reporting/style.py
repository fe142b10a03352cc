"""The style sheet of the page: system fonts, colours that can be told apart by the colour-blind, light and dark."""

from __future__ import annotations

# Categorical colours --c0 to --c9 start from Okabe and Ito, "Color universal design" (2002) and Tol's "muted" scheme (2021): darkened until
# they read as text on white, lightened on black.
STYLE = """
:root { color-scheme: light dark;
  --page: #fbfbfa; --card: #ffffff; --ink: #17202a; --text: #2f3a46; --muted: #66717e; --line: #d9dee4; --grid: #e9ecef; --tint: #f1f5fb;
  --link: #0b5cad; --good: #00745a; --good-back: #e4f4ee; --bad: #b3400b; --bad-back: #fcebe2; --open: #6b5b00; --open-back: #f7f2d9;
  --c0: #0068b0; --c1: #c65102; --c2: #00805c; --c3: #b04a88; --c4: #967000; --c5: #2b93c9; --c6: #882255; --c7: #5c6bc0; --c8:
    #4d7a1c; --c9: #7a5c46; }
@media (prefers-color-scheme: dark) { :root {
  --page: #12161b; --card: #191f26; --ink: #f1f4f7; --text: #cfd6de; --muted: #93a0ae; --line: #343d48; --grid: #262e37; --tint: #1d2733;
  --link: #7cb8f2; --good: #4cc9a0; --good-back: #14302a; --bad: #f59264; --bad-back: #3a2218; --open: #e0cb62; --open-back: #322d14;
  --c0: #56aef0; --c1: #f08a3c; --c2: #35c496; --c3: #e28fc0; --c4: #e3b93c; --c5: #8fd3f7; --c6: #d873a5; --c7: #9fa8ec; --c8:
    #9bcc5f; --c9: #c9a489; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto,
  "Liberation Sans", sans-serif; }
header.top, nav, main, footer { max-width: 1180px; margin: 0 auto; padding-inline: clamp(16px, 4vw, 40px); }
a { color: var(--link); }
code { font: .92em ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
p { margin: 0 0 12px; } figure { margin: 0; min-width: 0; }

header.top { padding-top: 40px; }
.eyebrow { color: var(--muted); font-size: 14px; margin: 0 0 8px; }
.eyebrow::before { content: ""; display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 8px; background:
  var(--mood); }
.good { --mood: var(--good); --back: var(--good-back); } .bad { --mood: var(--bad); --back: var(--bad-back); } .open, .warn {
  --mood: var(--open); --back: var(--open-back); }
h1 { color: var(--ink); font-size: clamp(30px, 5vw, 46px); line-height: 1.1; letter-spacing: -.022em; margin: 0 0 14px; max-width:
  32ch; overflow-wrap: anywhere; text-wrap: balance; }
.under { font-size: 18px; max-width: 68ch; margin-bottom: 28px; }
.under b { color: var(--mood); }

.dots { list-style: none; margin: 0; padding: 0; border-top: 1px solid var(--line); }
.dots li { display: grid; grid-template-columns: minmax(130px, 215px) 1fr 170px; gap: 18px; align-items: center; height: 36px;
  border-bottom: 1px solid var(--grid); }
.dots .who { color: var(--ink); font-weight: 600; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.dots .baseline .who { font-weight: 400; color: var(--muted); }
.track { position: relative; height: 100%; }
.track > span { position: absolute; }
.range { top: 16px; height: 4px; min-width: 2px; border-radius: 2px; background: var(--colour); opacity: .45; }
.dot { top: 11px; width: 14px; height: 14px; margin-left: -7px; border-radius: 50%; background: var(--colour); }
.baseline .dot { background: var(--page); border: 2.5px solid var(--colour); }
.rule { top: 0; bottom: 0; border-left: 1.5px dotted var(--muted); }
.value { white-space: nowrap; font-variant-numeric: tabular-nums; }
.value b { color: var(--ink); } .value small { color: var(--muted); margin-left: 8px; font-size: 13px; }
.top figcaption { color: var(--muted); font-size: 13px; margin-top: 8px; }
.verdicts { list-style: none; padding: 0; margin: 18px 0 0; }
.verdicts li { margin-bottom: 4px; } .verdicts i { font-style: normal; color: var(--mood); display: inline-block; width: 1.5em; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 22px 28px; margin: 30px 0 0; }
.facts dt { font-size: 13px; color: var(--muted); } .facts dd { margin: 2px 0 0; } .facts dd b { color: var(--ink); font-weight: 600; }
.facts dd > * { display: block; overflow-wrap: anywhere; } .facts dd span { font-size: 14px; line-height: 1.4; margin-top: 2px; }

nav { margin-top: 34px; display: flex; flex-wrap: wrap; gap: 4px 20px; font-size: 14px; } nav a { text-decoration: none; padding:
  4px 0; } nav a:hover { text-decoration: underline; }
section { margin-top: 26px; padding-top: 30px; border-top: 1px solid var(--line); scroll-margin-top: 8px; }
h2 { color: var(--ink); font-size: 25px; line-height: 1.2; letter-spacing: -.012em; margin: 0 0 8px; }
h3 { color: var(--ink); font-size: 17px; margin: 26px 0 4px; }
.lead { max-width: 76ch; margin-bottom: 18px; }
.note { color: var(--muted); font-size: 14px; margin: 0 0 12px; }
.empty { color: var(--muted); padding: 14px 16px; border: 1px dashed var(--line); border-radius: 8px; }
.callout { padding: 10px 14px; border-radius: 8px; background: var(--back); color: var(--ink); margin: 10px 0; overflow-wrap:
  anywhere; } .callout strong { color: var(--mood); }
.top .callout { margin-top: 18px; }
.notes { padding-left: 20px; font-size: 15px; color: var(--text); max-width: 80ch; }
.chip { display: inline-flex; align-items: center; gap: 8px; } .chip i { flex: none; width: 10px; height: 10px; border-radius: 50%; }

.scroll, .sheet { overflow-x: auto; } .scroll:focus-visible, .sheet:focus-visible { outline: 2px solid var(--link); outline-offset: 3px; }
.sheet { padding-bottom: 6px; }
.strip { display: flex; gap: 6px; margin-bottom: 6px; width: max-content; align-items: center; }
.strip .name { position: sticky; left: 0; width: 96px; flex: none; padding-right: 8px; font-size: 14px; color: var(--ink);
  background: var(--page); align-self: stretch; display: flex; flex-direction: column; justify-content: center; line-height: 1.25; }
.strip .name small { color: var(--muted); font-size: 12px; }
img { display: block; background: var(--grid); height: auto; } img.sharp { image-rendering: pixelated; }

.charts { display: grid; grid-template-columns: minmax(0, 1.9fr) minmax(0, 1fr) minmax(0, 1fr); gap: 18px 30px; }
.charts .large { grid-row: span 2; }
figcaption { font-size: 14px; color: var(--text); display: flex; justify-content: space-between; gap: 12px; margin-bottom: 4px; }
figcaption b { color: var(--ink); font-variant-numeric: tabular-nums; } figcaption small { color: var(--muted); font-size: 13px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 26px 40px; }
.triple { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); gap: 26px 30px; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font-size: 12.5px; fill: var(--muted); } svg .end { font-size: 13px; font-weight: 600; } svg .light { font-weight: 400; }
.grid { stroke: var(--grid); } .series { --w: 1; } .line { fill: none; stroke: var(--colour); stroke-linejoin: round;
  stroke-linecap: round; }
.bar { stroke: var(--colour); stroke-width: 1.6; opacity: .5; } .series circle { fill: var(--colour); stroke: var(--page);
  stroke-width: 1.2; } .series.faint { opacity: .4; }
.map { max-width: 520px; } .map svg { background: var(--card); border: 1px solid var(--grid); border-radius: 8px; }
.points { fill: none; stroke: var(--colour); stroke-width: 4.4; stroke-linecap: round; opacity: .72; } .points.faint { opacity: .3; }
svg .place { font-size: 15px; font-weight: 700; text-anchor: middle; fill: var(--colour); paint-order: stroke; stroke: var(--card);
  stroke-width: 4.5px; stroke-linejoin: round; }

table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin-bottom: 22px; }
caption { text-align: left; font-weight: 600; color: var(--ink); padding: 6px 0; white-space: nowrap; }
th, td { text-align: left; padding: 7px 22px 7px 0; border-bottom: 1px solid var(--grid); vertical-align: top; font-weight: 400;
  line-height: 1.3; }
thead td { border: 0; } thead th { color: var(--muted); font-size: 14px; border-bottom-color: var(--line); white-space: nowrap;
  vertical-align: bottom; }
td small, th small { display: block; color: var(--muted); font-size: 12.5px; font-weight: 400; white-space: nowrap; margin-top: 2px; }
tbody th { color: var(--ink); } tbody th.run { font-weight: 600; } tbody th.baseline { color: var(--muted); }
.scores td, .scores thead th, .differences td, .differences thead th { padding-inline: 12px; } .scores .group { color: var(--ink);
  font-weight: 600; border: 0; } .scores .first, .scores .group { padding-left: 26px; }
tbody th:first-child { position: sticky; left: 0; background: var(--page); z-index: 1; } .scores .primary { background: var(--tint); }
.figure { font-size: 17px; color: var(--ink); } b.figure { font-weight: 700; } .none { color: var(--muted); }
em { font-style: normal; font-size: 13px; color: var(--mood); background: var(--back); border-radius: 5px; padding: 1px 7px;
  display: inline-block; margin-top: 4px; white-space: nowrap; }
.plain { font-size: 14.5px; } .plain td, .plain th { overflow-wrap: anywhere; max-width: 60ch; } .plain tbody th { color:
  var(--muted); white-space: nowrap; }
.confusion th, .confusion td { padding: 0 4px; border: 1px solid var(--page); font-size: 13px; height: 30px; min-width: 30px;
  text-align: center; vertical-align: middle; max-width: 90px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  color: var(--ink); }
.confusion th:first-child { text-align: right; padding-right: 8px; color: var(--muted); }
.confusion tr:first-child td { background: none; } .confusion td + td, .confusion th + td { background: color-mix(in srgb, var(--c0)
  calc(var(--share) * .7), var(--grid)); }
details { margin: 6px 0 18px; } summary { cursor: pointer; color: var(--link); padding: 6px 0; } details[open] > summary {
  margin-bottom: 8px; }

.near { display: flex; gap: 8px; margin-bottom: 12px; } .near > div { width: 60px; min-width: 0; } .solo .near > div { width: 96px; }
.near img, .near .gone { width: 100%; height: auto; aspect-ratio: 1; object-fit: contain; border-radius: 5px; border: 2px solid
  transparent; }
.near .query { margin-right: 14px; } .near .query img { border-color: var(--ink); } .near .same img { border-color: var(--good); }
  .near .other img { border-color: var(--bad); border-style: dashed; }
.near span { display: block; font-size: 12.5px; text-align: center; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  color: var(--muted); }
.near .same span { color: var(--good); } .near .other span { color: var(--bad); } .near .query span { color: var(--ink); }
.text, .prompt { overflow-wrap: anywhere; } .text { margin: 0 0 10px; line-height: 1.5; unicode-bidi: isolate; }
mark { background: var(--tint); color: var(--ink); border-radius: 4px; padding: 1px 3px; box-shadow: inset 0 -2px var(--c0); }
mark.hidden { box-shadow: inset 0 -2px var(--muted); background: var(--grid); color: var(--muted); font-size: .8em; } mark.changed {
  box-shadow: inset 0 -2px var(--c1); }
.seen { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 4px 32px; padding: 10px 0 2px; border-top: 1px solid
  var(--grid); } .seen.titles { border: 0; padding: 0 0 4px; color: var(--muted); font-size: 14px; }
.prompted { border-top: 1px solid var(--line); padding: 12px 0 6px; } .prompt { color: var(--muted); }
.made { display: grid; grid-template-columns: 96px minmax(0, 1fr); gap: 4px 18px; } .step { color: var(--muted); font-size: 14px;
  padding-top: 1px; }
.prompted > .text { max-width: 84ch; } .made .text { max-width: 84ch; } sup { font-size: .7em; line-height: 0; margin-inline: 2px; }
.guesses td { min-width: 170px; padding-right: 26px; } .guesses th { font-weight: 600; }
.guess { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0 8px; position: relative; padding: 1px 6px; font-size: 14.5px;
  margin-bottom: 2px; isolation: isolate; } .guess bdi { overflow-wrap: anywhere; } .guess small { margin: 0; line-height: 1.5; }
.guess i { position: absolute; inset: 0 auto 0 0; min-width: 2px; background: var(--line); border-radius: 3px; z-index: -1; }
.guess.right { color: var(--good); font-weight: 600; } .guess.right i { background: var(--good-back); box-shadow: inset 0 0 0 1px
  var(--good); }
.languages td, .languages thead th { white-space: nowrap; } .shares { min-width: 190px; } .shares span { display: flex; align-items:
  center; gap: 8px; height: 14px; } .shares i { height: 7px; border-radius: 2px; background: var(--line); flex: none; min-width: 1px; width:
  calc(var(--part) * 120px); } .shares .got i { background: var(--c0); } .shares small { margin: 0; }
.alike { border-top: 1px solid var(--line); padding: 14px 0 6px; } .alike > div { padding-left: 16px; border-left: 3px solid var(--line);
  margin: 0 0 12px 14px; } .alike > .query { margin-left: 0; border-color: var(--ink); } .alike .same { border-color: var(--good); }
  .alike .other { border-left-style: dashed; border-color: var(--bad); }
.alike .query .text { color: var(--ink); } .alike .text { max-width: 92ch; font-size: 15px; margin: 0; }
.about { font-size: 13px; color: var(--muted); margin: 0 0 2px; overflow-wrap: anywhere; } .about b { color: var(--text); font-weight: 600;
  margin-right: 6px; } .same .about b { color: var(--good); } .other .about b { color: var(--bad); } .about code { margin-left: 6px; }
.pointed circle { fill: transparent; } .pointed circle:hover { stroke: var(--ink); stroke-width: 1.5; }
.gone { background: var(--grid); display: grid !important; place-content: center; }
footer { color: var(--muted); font-size: 13.5px; padding-block: 40px 50px; }

@media (max-width: 820px) {
  .charts { grid-template-columns: repeat(2, minmax(0, 1fr)); } .charts .large { grid-column: span 2; grid-row: auto; }
  svg text { font-size: 15px; } svg .end { font-size: 14px; } svg .place { font-size: 17px; }
}
@media (max-width: 620px) {
  header.top { padding-top: 26px; } .under { font-size: 16.5px; }
  .dots li { grid-template-columns: 1fr auto; height: auto; padding: 7px 0 0; gap: 0 12px; } .dots .track { grid-column: 1 / -1;
    grid-row: 2; height: 30px; margin-inline: 7px; } .range { top: 13px; } .dot { top: 8px; }
  .facts { grid-template-columns: 1fr 1fr; }
  .strip .name { width: 74px; font-size: 13px; }
  .seen { grid-template-columns: minmax(0, 1fr); } .seen.titles { display: none; } .made { grid-template-columns: minmax(0, 1fr); }
  .near { gap: 5px; } .near > div { flex: 1; } .near .query { margin-right: 6px; }
}
@media print { body { background: white; } nav, footer { display: none; } section { break-inside: avoid-page; } }
"""
