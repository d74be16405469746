/* A graph over time: title, legend with values, a canvas by uPlot, keys. */
const graphs = new Set(), followers = new Set();
let cursorAt = null, moving = false;

/** One cursor for everything on the page; null is "now". */
function cursor(t, from) {
  if (moving) return;
  moving = true;
  cursorAt = Number.isFinite(t) ? t : null;
  for (const g of graphs) {
    if (g !== from) g.u.setCursor({ left: cursorAt === null ? -10 : g.u.valToPos(cursorAt, 'x'), top: cursorAt === null ? -10 : 5 }, false);
    g.read();
  }
  for (const follow of followers) follow(cursorAt);
  moving = false;
}

/** Shows another stretch of time, or with null the chosen range again. */
function zoom(range) {
  if (range) {
    const end = now(), most = rangeList().at(-1)[1] * 5;
    range = [Math.max(end - most, range[0]), Math.min(end, range[1])];
    if (range[1] - range[0] < 2 * MINUTE) return;
  }
  S.zoom = range;
  remember();
  shellRanges();
  for (const g of graphs) g.u.redraw(false, true); // the old points at once, the finer ones when they come
  load();
  say(range ? 'Showing ' + moment(range[0]) + ' to ' + moment(range[1]) : 'Showing the last ' + S.range);
}
function pan(part) { const [a, b] = span(), w = (b - a) * part, end = Math.min(now(), b + w); zoom([end - (b - a), end]); }
function scale(factor, t) { const [a, b] = span(), at = t === null || t === undefined ? (a + b) / 2 : t; zoom([at - (at - a) * factor, at + (b - at) * factor]); }

/** Labels of a time axis; the last is left out where it would be cut. */
function timeLabels(u, splits) {
  const [a, b] = span(), w = b - a, end = b - w * 20 / Math.max(200, u.bbox.width / devicePixelRatio);
  return splits.map(t => {
    if (t > end) return '';
    const d = date(t);
    if (w > 200 * DAY) return d.getUTCDate() === 1 || splits.length < 9 ? MONTHS[d.getUTCMonth()] + (d.getUTCMonth() ? '' : ' ' + d.getUTCFullYear()) : dayOf(t);
    if (w > 4 * DAY) return dayOf(t);
    if (midnight(t)) return weekday(t);
    return w < 300 ? secondsOf(t) : clockOf(t);
  });
}

/** Decimals that tell the labels of an axis apart. */
function decimals(splits) {
  const step = Math.abs((splits[1] || 0) - (splits[0] || 0));
  for (let d = 0; d < 6; d++) if (Math.abs(step * 10 ** d - Math.round(step * 10 ** d)) < 1e-6) return d;
  return 4;
}

function hatch(context, colour) {
  const c = document.createElement('canvas'), r = devicePixelRatio || 1;
  c.width = c.height = 6 * r;
  const x = c.getContext('2d');
  x.strokeStyle = colour;
  x.lineWidth = r;
  x.beginPath();
  x.moveTo(-r, 7 * r);
  x.lineTo(7 * r, -r);
  x.stroke();
  return context.createPattern(c, 'repeat');
}

const PALETTE = ['c1', 'c3', 'c4', 'c2', 'c5'];
/** The same source keeps its colour on every page. */
const sourceColour = index => PALETTE[index % PALETTE.length];
/** What tells the sources apart in the fewest letters: the first label that no other has, else the whole name. */
function shortNames(list) {
  const labels = list.map(s => /^[\d.]+$|:/.test(s.name) ? [s.name] : s.name.split('.'));
  return list.map((s, i) => labels[i].find(l => l.length > 2 && !/^(ntp|time|www|pool|clock)\d*$/i.test(l) && labels.every((o, j) => j === i || !o.includes(l))) || s.name);
}

/** The lines of a plot: "each source" becomes one for each. */
function linesOf(plot) {
  const list = (M.sources && M.sources.sources) || [], names = shortNames(list);
  return plot.series.flatMap(s => s.each === 'source'
    ? list.map((source, i) => ({ ...s, name: s.id + '@' + source.id, label: names[i], colour: sourceColour(i), as: 'line' }))
    : [{ ...s, name: s.id, colour: s.colour || 'c1' }]);
}

const fmtOf = plot => (v, digits) => (plot.signed && plot.series.every(s => !(s.sign < 0)) ? signed : num)(v, digits ?? plot.digits ?? 2);

/** Decimals of a line's numbers: those of the plot, or more where what it usually is would be shown as 0.00. */
function digitsOf(plot, row) {
  const sizes = row.mean.filter(v => known(v) && v !== 0).map(Math.abs).sort((a, b) => a - b), usual = sizes[Math.floor(sizes.length / 2)];
  return Math.max(plot.digits ?? 2, plot.unit && plot.scale !== 1 && usual ? Math.min(6, 1 - Math.floor(Math.log10(usual))) : 0);
}

function swatch(s, plot) {
  const kind = s.as === 'envelope' ? ' env' : s.as === 'area' || (plot.stack && s.as !== 'peak') ? ' area' : s.dash === 2 ? ' dots' : s.dash ? ' dash' : '';
  const e = el('span', { class: 'sw' + kind });
  e.style.setProperty('--k', `var(--${s.as === 'peak' ? 'mid' : s.colour})`);
  return e;
}

/** The numbers to show: scaled, turned, relative where asked. */
function valuesOf(plot, lines) {
  const k = plot.scale || 1, rows = lines.map(s => {
    const q = M.frame.get(s.name), f = k * (s.sign || 1), turn = f < 0;
    const times = list => list.map(v => v === null ? null : v * f);
    return { mean: times(s.as === 'peak' ? q.max : q.mean), lo: times(turn ? q.max : q.min), hi: times(turn ? q.min : q.max) };
  });
  let median = null;
  if (plot.relative === 'median') {
    const all = rows[0].mean.filter(known).sort((a, b) => a - b);
    if (all.length) {
      median = all[Math.floor(all.length / 2)];
      for (const r of rows) for (const key of ['mean', 'lo', 'hi']) r[key] = r[key].map(v => v === null ? null : v - median);
    }
  }
  return { rows, median };
}

/**
 * A panel with a graph of one plot of /api/plots. `look`: height in px at the usual size, `classic` for the numbered form, `ends` to
 * write names at the ends of lines.
 */
function graph(plot, look = {}) {
  const lines = linesOf(plot), fmt = fmtOf(plot);
  for (const s of lines) want(s.name);
  const ends = lines.length > 1 && plot.series.some(s => s.each);
  const legend = el('ul', { class: 'legend', 'aria-hidden': 'true' }), values = lines.map(() => el('b'));
  const box = el('div', { class: 'plot skel', tabindex: 0, role: 'img', 'aria-label': plot.title + ', loading' });
  const note = el('p', { class: 'note', hidden: true }), table = look.classic ? statistics(plot, lines) : null;
  const heading = el('h3', {}, look.classic ? el('span', { class: 'no' }, plot.classic) : '', term(plot.term, plot.title), el('span', { class: 'u' }, plot.unit));
  const root = el('section', { class: 'panel', 'data-plot': plot.id }, el('div', { class: 'head' }, heading, legend), box, note, table && table.element);
  const height = () => Math.round((look.height || 140) * rem() / 14 * (innerWidth >= 2800 ? 1.3 : innerWidth >= 1900 ? 1.1 : 1));
  box.style.height = height() + 'px';
  legend.append(el('li', { class: 'tb-li' }, el('button', { class: 'tb', type: 'button', tabindex: -1, onclick: () => dataTable(plot, lines, g.shown) }, 'table')));
  // Two lines of one name, such as a share of in and of out, need it once.
  const first = (s, i) => s.label && lines.findIndex(o => o.label === s.label) === i;
  if (!look.classic) lines.forEach((s, i) => first(s, i) && legend.append(s.item = el('li', {}, swatch(s, plot), s.label, values[i])));

  const g = { u: null, shown: null, plot, lines, read, box };
  function read() {
    if (!g.shown) return;
    const i = indexAt(g.shown.rows[0].mean);
    lines.forEach((s, k) => {
      const v = g.shown.rows[k].mean[i], d = g.shown.digits[k], text = s.as === 'envelope' ? (known(v) ? '±' + num(Math.abs(v), d) : '–') : fmt(s.sign < 0 && known(v) ? -v : v, d);
      if (values[k].textContent !== text) values[k].textContent = text;
    });
    if (table) table.read(g.shown, i);
  }
  function draw() {
    if (!loaded(...lines.map(s => s.name))) return;
    const shown = valuesOf(plot, lines), any = shown.rows.some(r => r.mean.some(known));
    g.shown = { ...shown, x: M.frame.x, step: M.frame.step, digits: shown.rows.map(r => digitsOf(plot, r)) };
    if (!any) { blank(); return; }
    for (const s of lines) if (s.as === 'peak' && s.item) s.item.hidden = M.frame.step < 5 * MINUTE;
    const data = buildData(plot, lines, g.shown);
    if (!g.u) {
      box.replaceChildren();
      box.className = 'plot';
      box.style.height = '';
      g.u = new uPlot(options(g, { width: box.clientWidth || 600, height: height(), ends }), data, box);
      graphs.add(g);
    } else g.u.setData(data);
    note.hidden = shown.median === null;
    if (shown.median !== null) note.textContent = 'Median of this range: ' + num(shown.median / (plot.scale || 1) * 1e6, 3) + NB + 'ppm.';
    if (table) table.fill(g.shown);
    read();
    box.setAttribute('aria-label', summary(plot, lines, g.shown, fmt));
  }
  /** No invented zeros: an axis and a sentence. */
  function blank() {
    if (g.u) { graphs.delete(g); g.u.destroy(); g.u = null; }
    const fresh = M.status && now() - M.status.started < 60 && !S.zoom;
    box.className = 'plot empty';
    box.style.height = height() + 'px';
    box.replaceChildren(el('p', {}, fresh ? 'Nothing recorded yet. The first point appears within 10 seconds.' : 'Nothing is recorded in this range.'));
    box.setAttribute('aria-label', plot.title + ': nothing recorded in this range.');
    values.forEach(v => { v.textContent = '–'; });
  }
  box.addEventListener('keydown', e => graphKeys(e, g, fmt));
  touch(box, g);
  let observer;
  widget({
    start() {
      draw();
      observer = new ResizeObserver(() => { if (g.u && box.clientWidth && Math.abs(box.clientWidth - g.u.width) > 1) g.u.setSize({ width: box.clientWidth, height: height() }); });
      observer.observe(box);
    },
    update: draw,
    stop() { observer.disconnect(); graphs.delete(g); if (g.u) g.u.destroy(); },
  });
  return root;
}

/** The point under the cursor; without a cursor the last one known. */
function indexAt(list) {
  const { x, step } = M.frame;
  if (cursorAt !== null) return Math.max(0, Math.min(x.length - 1, Math.floor((cursorAt - x[0]) / step)));
  for (let i = list.length - 1; i >= Math.max(0, list.length - 4); i--) if (known(list[i])) return i;
  return list.length - 1;
}

function summary(plot, lines, shown, fmt) {
  const k = Math.max(0, lines.findIndex(s => s.as !== 'envelope')), r = shown.rows[k], mean = r.mean.filter(known);
  const least = Math.min(...r.lo.filter(known)), most = Math.max(...r.hi.filter(known));
  return `${plot.title}, ${plot.unit}. ${lines[k].label || ''} now ${fmt(mean.at(-1))}, least ${fmt(least)}, most ${fmt(most)} in this range. Arrow keys read values, plus zooms in, T shows a table.`;
}

function graphKeys(e, g, fmt) {
  if (!g.shown || e.ctrlKey || e.metaKey || e.altKey) return;
  const [a, b] = span(), { x, step } = g.shown, by = Math.max(step, (b - a) / 240);
  let t = cursorAt === null ? b : cursorAt;
  if (e.shiftKey && (e.key === 'ArrowLeft' || e.key === 'ArrowRight')) { e.preventDefault(); pan(e.key === 'ArrowLeft' ? -.5 : .5); return; }
  if (e.key === 'ArrowLeft') t -= by;
  else if (e.key === 'ArrowRight') t += by;
  else if (e.key === 'Home') t = x[0];
  else if (e.key === 'End') t = x.at(-1);
  else if (e.key === '+') { scale(.5, t); return; } else if (e.key === '-') { if (S.zoom) scale(2, t); return; } else if (e.key === 't' || e.key === 'T') { dataTable(g.plot, g.lines, g.shown); return; } else return;
  e.preventDefault();
  cursor(Math.max(a, Math.min(b, t)), null);
  const i = indexAt(g.shown.rows[0].mean);
  say(moment(cursorAt) + '. ' + g.lines.filter(s => s.label && s.as !== 'peak').map(s => s.label + ' ' + fmt(Math.abs(g.shown.rows[g.lines.indexOf(s)].mean[i] ?? NaN))).join(', ') + ' ' + g.plot.unit);
}

/** A finger sets the cursor; two of them zoom. */
function touch(box, g) {
  const down = new Map();
  let from = null;
  const at = e => { const r = g.u.over.getBoundingClientRect(); return e.clientX - r.left; };
  const place = e => { const [a, b] = span(), t = g.u.posToVal(at(e), 'x'); cursor(Math.max(a, Math.min(b, t)), null); };
  box.addEventListener('pointerdown', e => {
    if (e.pointerType === 'mouse' || !g.u) return;
    down.set(e.pointerId, at(e));
    if (down.size === 1) place(e);
    if (down.size === 2) from = { span: span(), pos: [...down.values()], width: g.u.over.clientWidth };
  });
  box.addEventListener('pointermove', e => {
    if (!down.has(e.pointerId) || !g.u) return;
    down.set(e.pointerId, at(e));
    if (down.size === 1 && !from) place(e);
  });
  const up = e => {
    if (!down.has(e.pointerId)) return;
    if (from && down.size === 2) {
      const [p, q] = [...down.values()].sort((m, n) => m - n), [p0, q0] = from.pos.slice().sort((m, n) => m - n), [a, b] = from.span, w = b - a;
      const wide = w * Math.max(.05, Math.min(20, (q0 - p0) / Math.max(10, q - p))), mid = a + w * (p0 + q0) / 2 / from.width, start = mid - wide * (p + q) / 2 / from.width;
      zoom([start, start + wide]);
    }
    down.delete(e.pointerId);
    if (!down.size) from = null;
  };
  box.addEventListener('pointerup', up);
  box.addEventListener('pointercancel', up);
}

/** Last, average, least and most below a classic graph; the last follows the cursor. A stack has a total. */
function statistics(plot, lines) {
  const rows = lines.map(s => ({ swatch: swatch(s, plot), label: s.label }));
  if (plot.stack) rows.unshift({ swatch: el('span', { class: 'sw none' }), label: 'total' });
  const head = el('th', { class: 'n' }, 'last'), cells = rows.map(() => [0, 1, 2, 3].map(() => el('td')));
  const element = el('table', { class: 'rr' },
    el('thead', {}, el('tr', {}, el('th', {}, el('span', { class: 'vh' }, 'series')), head, ['average', 'least', 'most'].map(h => el('th', {}, h)))),
    el('tbody', {}, rows.map((s, i) => el('tr', {}, el('td', {}, s.swatch, s.label), cells[i]))));
  let digits = [];
  const withTotal = shown => {
    if (!plot.stack) return shown.rows;
    const sum = key => shown.x.map((_, i) => shown.rows.reduce((a, r) => a === null || r[key][i] === null ? null : a + r[key][i], 0));
    return [{ mean: sum('mean'), lo: sum('lo'), hi: sum('hi') }, ...shown.rows];
  };
  return {
    element,
    read(shown, i) {
      head.textContent = cursorAt === null ? 'last' : moment(cursorAt);
      withTotal(shown).forEach((r, k) => { cells[k][0].textContent = num(r.mean[i], digits[k] ?? plot.digits); });
    },
    fill(shown) {
      digits = withTotal(shown).map(r => digitsOf(plot, r));
      withTotal(shown).forEach((r, k) => {
        const m = r.mean.filter(known), lo = r.lo.filter(known), hi = r.hi.filter(known);
        const list = m.length ? [m.reduce((a, b) => a + b, 0) / m.length, Math.min(...lo), Math.max(...hi)] : [null, null, null];
        list.forEach((v, j) => { cells[k][j + 1].textContent = num(v, digits[k]); });
      });
    },
  };
}

/** The same numbers as a table, for those who read better than they see. */
function dataTable(plot, lines, shown) {
  if (!shown) return;
  const d = $('table'), n = shown.x.length, step = Math.max(1, Math.floor(n / 24)), rows = [], fmt = fmtOf(plot);
  for (let i = n - 1; i >= 0; i -= step) rows.push(el('tr', {}, el('td', {}, moment(shown.x[i])), lines.map((s, k) => { const v = shown.rows[k].mean[i]; return el('td', { class: 'n' }, fmt(s.sign < 0 && known(v) ? -v : v, shown.digits[k])); })));
  d.replaceChildren(
    el('h2', { id: 'table-t' }, plot.title + ' · ' + plot.unit, el('button', { type: 'button', onclick: () => d.close() }, 'Close')),
    el('div', { class: 'scroll' }, el('table', {}, el('thead', {}, el('tr', {}, el('th', {}, 'Time, ' + zoneName()), lines.map(s => el('th', { class: 'n' }, s.label || '')))), el('tbody', {}, rows))),
    el('p', { class: 'note flush' }, el('a', { href: `/api/series?series=${lines.map(s => encodeURIComponent(s.name)).join(',')}&from=${span()[0].toFixed(0)}&to=${span()[1].toFixed(0)}&format=csv` }, 'All of it as CSV')));
  d.showModal();
}
