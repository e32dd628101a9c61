/** The report's style sheet: the page's colours, readable at 390 px, in light and dark, and on paper. */
export const REPORT_STYLE = `
:root { color-scheme: light dark;
  --paper: light-dark(#ffffff, #0d141b); --sunken: light-dark(#f3f5f8, #141d26); --ink: light-dark(#0e1e30, #e8eef4);
  --soft: light-dark(#4a5b6d, #a3b3c2); --line: light-dark(#d5dde5, #2b3947); --accent: light-dark(#123f7e, #f2d64b);
  --link: light-dark(#123f7e, #9cc4f5); --layer: light-dark(#c3ccd6, #3a4a59); }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 "Avenir Next", Avenir, "Segoe UI Variable Text", "Segoe UI", Cantarell, "Noto Sans", "DejaVu Sans", system-ui, sans-serif; }
main { max-width: 58rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
header { border-top: 6px solid var(--accent); padding-top: 1.25rem; }
.origin { margin: 0; color: var(--soft); font-size: .875rem; }
h1 { margin: .25rem 0 .5rem; font-size: clamp(1.5rem, 1.1rem + 2vw, 2.125rem); line-height: 1.2; overflow-wrap: anywhere; }
.summary { margin: 0 0 1.5rem; font-size: 1.125rem; max-width: 44rem; text-wrap: pretty; }
.headline { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); margin: 0; border: solid var(--line); border-width: 1px 0; }
.headline div { padding: .875rem 1rem .875rem 0; }
.headline dt { color: var(--soft); font-size: .875rem; }
.headline dd { margin: 0; }
.headline dd:first-of-type { font-size: 1.5rem; font-weight: 600; line-height: 1.3; font-variant-numeric: tabular-nums; }
.headline dd + dd { color: var(--soft); font-size: .875rem; }
h2 { margin: 2.75rem 0 .75rem; font-size: 1.25rem; line-height: 1.3; }
h3 { margin: 0 0 .5rem; font-size: 1rem; }
p, ul { max-width: 44rem; } ul { padding-left: 1.25rem; } li { overflow-wrap: anywhere; }
dl.facts { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .375rem 1.5rem; margin: 0 0 1.25rem; }
.facts dt { color: var(--soft); } .facts dd { margin: 0; overflow-wrap: anywhere; }
.table { overflow-x: auto; margin: 0 0 1.25rem; } .table:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: .9375rem; font-variant-numeric: tabular-nums; }
.caption { margin: 0 0 .375rem; color: var(--soft); font-size: .875rem; }
th, td { padding: .375rem 1.25rem .375rem 0; text-align: left; vertical-align: baseline; border-bottom: 1px solid var(--line); }
th { font-weight: 600; white-space: nowrap; } th:last-child, td:last-child { padding-right: 0; } td:last-child:not(.number) { min-width: 9rem; }
.number { text-align: right; white-space: nowrap; }
.hash { font: .8125rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1.75rem 2rem; }
figure { margin: 0 0 1.25rem; min-width: 0; } figcaption { color: var(--soft); font-size: .875rem; max-width: 44rem; }
svg { display: block; width: 100%; height: auto; margin-bottom: .5rem; font-family: inherit; }
svg text { font-size: 11px; } svg text:not(.cell) { fill: currentColor; } svg text.tick { fill: var(--soft); } svg text.cell { font-size: 10px; }
svg text.set { fill: #14110a; font-weight: 600; font-size: 12px; } svg .name { font-weight: 600; paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; }
.unmeasured { fill: var(--sunken); } .layer { fill: var(--layer); }
.grid { stroke: var(--line); } .axis { stroke: var(--soft); } .front { fill: none; stroke: var(--accent); stroke-width: 2; }
.point { fill: var(--paper); stroke: var(--soft); stroke-width: 2; } .point.best { fill: var(--accent); stroke: var(--accent); }
details { margin: 0 0 1.25rem; } summary { cursor: pointer; color: var(--link); }
pre { overflow-x: auto; margin: .5rem 0 0; padding: .875rem 1rem; background: var(--sunken); font: .8125rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
a { color: var(--link); }
@media (max-width: 34rem) { dl.facts { display: block; } .facts dd { margin-bottom: .625rem; } main { padding-top: 1.25rem; } .headline div { padding: .625rem 0; }
  td.number + td:not(.number) { min-width: 8rem; }
  .wide svg text, .wide svg text.set { font-size: 20px; } .wide svg text.name { font-size: 14px; } }
@media print { :root { color-scheme: light; } body { font-size: 10.5pt; } main { max-width: none; padding: 0; }
  h2, .caption { break-after: avoid; } figure, tr, .headline { break-inside: avoid; } .table { overflow: visible; } pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  svg, .headline { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
`;
