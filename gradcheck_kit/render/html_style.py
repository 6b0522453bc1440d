"""How the page looks: on a phone, on a screen, on paper; light, dark and in grey."""

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --soft: #5c5c5c; --paper: #ffffff; --panel: #f5f5f3; --rule: #d6d6d2;
  --pass: #1b6b3a; --fail: #a3161e; --undecided: #7a5200; --mark: #16488c; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e9e9e6; --soft: #a9a9a4; --paper: #161616; --panel: #222221; --rule: #41413f;
    --pass: #6fcf97; --fail: #ff8a8a; --undecided: #f2c063; --mark: #8ab8ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
.verdict { font-weight: 700; white-space: nowrap; }
.PASS { color: var(--pass); } .FAIL { color: var(--fail); } .INCONCLUSIVE { color: var(--undecided); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: .1rem 1.5rem;
  margin: .5rem 0; }
dl div { display: grid; grid-template-columns: 9rem 1fr; gap: .5rem; } dt { color: var(--soft); } dd { margin: 0; }
.sentences { display: block; } .sentences div { grid-template-columns: 4rem 1fr; }
details { border: 1px solid var(--rule); border-radius: .4rem; margin: .4rem 0; background: var(--panel); }
summary { display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: .45rem .75rem; cursor: pointer; }
summary .name { font-weight: 600; flex: 1 1 12rem; } summary .facts { color: var(--soft); }
.inside { padding: 0 .75rem .75rem; border-top: 1px solid var(--rule); }
pre { background: var(--paper); border: 1px solid var(--rule); border-radius: .3rem; padding: .6rem; overflow-x: auto;
  font: .85rem/1.45 ui-monospace, monospace; white-space: pre; user-select: all; overflow-wrap: normal; }
pre.message { white-space: pre-wrap; user-select: auto; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } .wide-table { overflow-x: auto; }
th, td:not(:last-child) { white-space: nowrap; } table { overflow-wrap: normal; }
th, td { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1rem; }
figure { margin: .5rem 0; } figcaption { color: var(--soft); font-size: .85rem; }
svg { width: 100%; max-width: 28rem; height: auto; display: block; font: 13px system-ui, sans-serif; }
svg text { fill: var(--ink); } .frame { fill: none; stroke: var(--soft); } .grid { stroke: var(--rule); }
polyline, path { fill: none; stroke: var(--ink); } .thin { stroke-width: 1; } .dashed { stroke-width: 1.5;
  stroke-dasharray: 6 4; } .wide { stroke-width: 6; stroke-opacity: .35; } .dot { fill: var(--ink); }
.band { fill: var(--soft); fill-opacity: .22; stroke: none; } .edge { stroke: var(--soft); stroke-width: .8; }
.between { fill: var(--ink); fill-opacity: .3; stroke: none; }
.inside-law { stroke-width: 1.8; stroke-linecap: round; stroke-opacity: .75; }
.outside-law { stroke: var(--fail); stroke-width: 5; stroke-linecap: round; }
.parted { stroke: var(--fail); stroke-width: 1.5; stroke-dasharray: 2 3; }
svg .at { fill: var(--fail); font-weight: 700; paint-order: stroke; stroke: var(--paper); stroke-width: 4px; }
.strokes0, .strokes1, .strokes2, .strokes3, .strokes4, .strokes5, .strokes6 { stroke-width: 1.4; }
.strokes1 { stroke-dasharray: 6 3; } .strokes2 { stroke-dasharray: 6 2 1 2; } .strokes3 { stroke-dasharray: 1.5 2; }
.strokes4 { stroke-dasharray: 12 3; } .strokes5 { stroke-dasharray: 1.5 5; }
.strokes6 { stroke-dasharray: 6 2 1 2 1 2; } .shade1 { stroke-opacity: .75; } .shade2 { stroke-opacity: .55; }
.key { list-style: none; display: flex; flex-wrap: wrap; gap: .1rem 1rem; margin: .2rem 0; padding: 0;
  font-size: .85rem; } .key li { display: flex; align-items: center; gap: .4rem; }
svg.sample { flex: none; width: 30px; height: 14px; }
.cell { fill: var(--mark); stroke: var(--soft); stroke-width: .5; }
.unknown { fill: none; stroke: var(--fail); stroke-dasharray: 2 2; }
@media print { :root { --ink: #000; --soft: #333; --paper: #fff; --panel: #fff; --rule: #999; --pass: #000;
    --fail: #000; --undecided: #000; --mark: #000; color-scheme: light; }
  body { max-width: none; padding: 0; font-size: 10pt; } pre { white-space: pre-wrap; }
  details, figure, pre { break-inside: avoid; } details[open] { break-inside: auto; } }
"""
