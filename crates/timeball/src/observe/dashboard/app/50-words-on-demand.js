/* Explanations and events in a popover, and the small signs. */

/** A word that explains itself when asked. */
function term(key, text) {
  const t = key && termOf(key);
  if (!t) return text || '';
  return el('button', { class: 'term', type: 'button', 'aria-haspopup': 'dialog', onclick: e => explain(key, e.currentTarget) }, text || t.title);
}

/** The same number, taken apart with the values of this moment. */
const RIGHT_NOW = {
  error_bound: () => {
    const c = M.status.clock;
    return `Now: ${num(Math.abs(c.offset) * 1e3, 3)} + ${num(c.root_dispersion * 1e3, 3)} + ${num(c.root_delay * 500, 3)} = ${num(c.error_bound * 1e3, 3)}${NB}ms`;
  },
  offset: () => { const o = M.status.clock.offset; return `Now: ${num(Math.abs(o) * 1e6, Math.abs(o) < 1e-5 ? 1 : 0)}${NB}µs ${o > 0 ? 'ahead' : 'behind'}.`; },
  frequency: () => { const f = M.status.clock.frequency; return `Now: ${num(f * 1e6, 3)}${NB}ppm, that is ${num(Math.abs(f) * DAY, 1)}${NB}s a day ${f > 0 ? 'fast' : 'slow'} before compensation.`; },
  dropped: () => { const s = M.status.service; return `Now, each second: ${num(s.dropped_rate, 1)} over the limit, ${num(s.dropped_invalid, 1)} not valid, ${num(s.dropped_access, 1)} refused, of ${num(s.requests)}.`; },
  conntrack: () => `Now: ${num(M.status.machine.conntrack)} of ${num(M.status.machine.conntrack_limit)} entries.`,
};

function explain(key, from) {
  const t = termOf(key), pop = $('pop');
  let sum = '';
  try { sum = M.status && M.contact === 'live' && RIGHT_NOW[key] ? RIGHT_NOW[key]() : ''; } catch { /* nothing known yet */ }
  pop.replaceChildren();
  put(pop, [
    el('h4', { id: 'pop-t' }, t.title), el('p', {}, t.what), sum && el('p', { class: 'rn' }, sum), t.good && el('p', {}, t.good),
    t.chrony && el('p', {}, el('code', {}, 'chrony says: ' + t.chrony)),
  ]);
  place(pop, (from.closest('.tile') || from).getBoundingClientRect(), from);
}

/** Shows the popover at a rectangle; focus returns to where it came from. */
function place(pop, r, from) {
  pop.tabIndex = -1;
  pop.showPopover();
  const b = pop.getBoundingClientRect(), below = r.bottom + 6 + b.height <= innerHeight;
  pop.style.left = Math.max(12, Math.min(r.left - 8, innerWidth - b.width - 12)) + 'px';
  pop.style.top = (below ? r.bottom + 6 : Math.max(8, r.top - b.height - 8)) + 'px';
  pop.focus({ preventScroll: true });
  pop.ontoggle = e => { if (e.newState === 'closed' && from && from.isConnected && pop.contains(document.activeElement)) from.focus({ preventScroll: true }); };
}

/** The sign of a state: the shape carries the meaning, colour repeats it. */
function glyph(state, size = 12) {
  const c = 'currentColor', s = sv('svg', { class: 'gl t-' + state, viewBox: '0 0 12 12', width: size, height: size, 'aria-hidden': 'true' });
  const line = (d, w = 2.4) => sv('path', { d, stroke: c, 'stroke-width': w, fill: 'none' });
  s.append({
    selected: () => sv('circle', { cx: 6, cy: 6, r: 5, fill: c }),
    combined: () => line('M6 1v10M1 6h10'),
    unneeded: () => line('M1 6h10'),
    wrong: () => line('M2 2l8 8M10 2l-8 8'),
    unsteady: () => line('M1 7.5q2.5-5 5-1.5t5-1.5', 2),
    lost: () => sv('circle', { cx: 6, cy: 6, r: 4.4, fill: 'none', stroke: c, 'stroke-width': 1.4, 'stroke-dasharray': '2 2' }),
  }[state]());
  return s;
}

/** The sign of a kind of event. */
function mark(kind) {
  const s = sv('svg', { viewBox: '0 0 10 10', width: 10, height: 10, 'aria-hidden': 'true' });
  const shapes = { alarm: 'M5 .5 9.8 9.5H.2z', source: 'M5 0 10 5 5 10 0 5z', start: 'M1.5.5 9.5 5l-8 4.5z', stop: 'M1 1h8v8H1z', pool: 'M1 9V5h2v4zM4 9V3h2v6zM7 9V0h2v9z', step: 'M0 3h5V0l5 5-5 5V7H0z', client: 'M5 0a2.5 2.5 0 0 1 0 5 2.5 2.5 0 0 1 0-5zM0 10a5 4.4 0 0 1 10 0z' };
  s.append(shapes[kind] ? sv('path', { d: shapes[kind], class: 'k-' + kind }) : sv('circle', { cx: 5, cy: 5, r: 3.8, class: 'k-config' }));
  return s;
}

const until = e => e.end ? ' to ' + clockOf(e.end) : '';

function eventPop(list, from) {
  const pop = $('pop');
  pop.replaceChildren();
  put(pop, [
    list.slice(-4).map((e, i) => [
      el('h4', { id: i ? null : 'pop-t' }, e.what), el('p', { class: 'd' }, dayOf(e.at) + ', ' + clockOf(e.at) + until(e) + ' ' + zoneName()),
      e.why && el('p', {}, tied(e.why)), e.effect && el('p', {}, tied(e.effect)),
    ]),
    list.length > 4 && el('p', {}, `and ${list.length - 4} more on the Events page`),
  ]);
  place(pop, from.getBoundingClientRect(), from);
}

/** Shows an event on the graphs: an hour before it to an hour after. */
function showEvent(e) {
  const end = e.end || e.at;
  S.zoom = [e.at - HOUR, Math.min(now(), end + HOUR)];
  go(S.page === 'events' ? 'overview' : S.page);
}

/** The line of a day in a tile: the last 24 hours whatever the range. */
function spark(name) {
  const s = sv('svg', { class: 'spark', viewBox: '0 0 96 26', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
  const draw = () => {
    const list = M.sparks ? M.sparks.get(name).mean : [], ok = list.filter(known);
    s.replaceChildren();
    if (!ok.length) return;
    const lo = Math.min(...ok), k = Math.max(...ok) - lo, n = list.length - 1;
    let d = '', area = '', pen = false, from = 0;
    list.forEach((v, i) => {
      const x = (96 * i / n).toFixed(1);
      if (!known(v)) { if (pen) area += `L${(96 * (i - 1) / n).toFixed(1)} 26L${from} 26Z`; pen = false; return; }
      const y = (k ? 23 - 20 * (v - lo) / k : 13).toFixed(1);
      if (!pen) from = x;
      d += (pen ? 'L' : 'M') + x + ' ' + y;
      area += (pen ? 'L' : 'M') + x + ' ' + y;
      pen = true;
    });
    if (pen) area += `L96 26L${from} 26Z`;
    s.append(sv('path', { d: area, class: 'a' }), sv('path', { d }));
  };
  draw();
  widget({ slow: draw });
  return s;
}
