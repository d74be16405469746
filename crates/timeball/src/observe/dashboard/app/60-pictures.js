/* Pictures that are no time series. */

/** An svg over the whole width of an element, in units that grow with the type: one is 1/14 rem. */
function sheet(e, H, label) {
  const k = rem() / 14, W = e.clientWidth / k;
  return { W, s: sv('svg', { width: e.clientWidth, height: H * k, viewBox: `0 0 ${W} ${H}`, role: 'img', 'aria-label': label }) };
}
const widthOf = e => e.clientWidth * 14 / rem();
const GUT = () => gutter() * 14 / rem();

/** A scale that is fine around zero and coarse far from it. */
function asinhScale(most, left, right, k = 1.2) {
  const end = Math.asinh(most * k);
  return v => left + (Math.asinh(v * k) + end) / (2 * end) * (right - left);
}
const TICKS = [.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
const figuresOf = v => Math.max(0, -Math.floor(Math.log10(Math.abs(v)) + 1e-9));
/** Ticks about zero that have room, the largest first. */
function ticksFor(X, most, room) {
  const out = [0];
  let last = X(0);
  for (const v of TICKS) {
    if (v > most) break;
    if (X(v) - last >= room) { out.push(v, -v); last = X(v); }
  }
  return out;
}

/** One strip on the first screen: this clock in the middle, where true time must be, what each source says; live. */
function strip() {
  const e = el('div', { class: 'strip' });
  const box = el('section', { class: 'stripbox' }, e, el('p', { class: 'note flush' }, term('strip', 'This clock'), ' in the middle; ', el('span', { class: 'swatch where' }), ' where true time must be; what each source says and how exactly, in ms.'));
  const draw = () => {
    const clock = M.status && M.status.clock, list = (M.sources && M.sources.sources) || [];
    box.hidden = !clock || !known(clock.error_bound);
    const W = widthOf(e);
    if (!W || box.hidden) { e.replaceChildren(); return; }
    const offsets = list.map(s => s.offset).filter(known).map(v => Math.abs(v) * 1e3), bound = clock.error_bound * 1e3;
    const most = Math.min(1000, Math.max(1.5, bound * 3, ...offsets.map(v => v * 1.35)));
    const H = 62, base = 40, pad = 14, X = asinhScale(most, pad, W - pad, 3 / Math.max(bound, .001)), at = v => X(Math.max(-most, Math.min(most, v)));
    const { s } = sheet(e, H, `This clock, within ${num(bound, figures(bound))} ms of true time; ` + list.map(q => `${q.name} ${milliseconds(q.offset)}`).join(', ') + '.');
    const o = clock.offset * 1e3;
    const ticks = ticksFor(X, most, W < 500 ? 38 : 56);
    for (const v of ticks) s.append(sv('path', { class: v ? 'gr' : 'ax', d: `M${X(v).toFixed(1)} ${base - 5}v5` }), sv('text', { x: X(v), y: base + 15, 'text-anchor': 'middle' }, v ? signed(v, figuresOf(v)) : '0'));
    s.append(sv('path', { class: 'ax', d: `M${pad} ${base}.5H${W - pad}` }));
    // True time is where the clock reads minus its offset, give or take the rest of the bound.
    const rest = Math.max(0, bound - Math.abs(o)), lo = at(-o - rest), hi = at(-o + rest);
    s.append(sv('rect', { class: 'where', x: lo, width: Math.max(2, hi - lo), y: 8, height: base - 8, rx: 1.5 }));
    s.append(sv('path', { class: 'needle', d: `M${X(0)} 3V${base}` }));
    list.filter(q => known(q.offset)).forEach((q, i) => {
      const g = glyph(q.state, 12), y = 16 + (i % 2) * 13, margin = (q.margin || 0) * 1e3;
      if (q.state !== 'wrong') s.append(sv('path', { class: 'whisker', d: `M${at(q.offset * 1e3 - margin).toFixed(1)} ${y}H${at(q.offset * 1e3 + margin).toFixed(1)}` }));
      g.setAttribute('x', at(q.offset * 1e3) - 6);
      g.setAttribute('y', 10 + (i % 2) * 13);
      g.append(sv('title', {}, q.name + ' ' + milliseconds(q.offset)));
      s.append(g);
    });
    const wrong = list.map((q, i) => [q, i]).find(([q]) => q.state === 'wrong' && known(q.offset));
    if (wrong) { const x = at(wrong[0].offset * 1e3), left = x > W / 2; s.append(sv('text', { x: left ? x - 11 : x + 11, y: 20 + (wrong[1] % 2) * 13, 'text-anchor': left ? 'end' : 'start' }, W < 500 ? shortNames(list)[wrong[1]] : wrong[0].name)); }
    e.replaceChildren(s);
  };
  let observer, width;
  widget({
    start() { draw(); observer = new ResizeObserver(() => { if (e.clientWidth !== width) { width = e.clientWidth; draw(); } }); observer.observe(e); },
    tick: draw,
    stop() { observer.disconnect(); },
  });
  return box;
}

/** Who agrees: offset and margin of each source, the overlap shaded. */
function forest(e) {
  const list = (M.sources && M.sources.sources) || [], W = widthOf(e), narrow = W < 460;
  if (!list.length) { e.replaceChildren(el('p', { class: 'note flush' }, 'No sources yet.')); return; }
  const name = narrow ? 8 : 143, m = 8, row = narrow ? 40 : 33, top = 8, H = top + row * list.length + 24, L = name, R = W - 12;
  const X = asinhScale(m, L, R);
  const { s } = sheet(e, H, '');
  if (M.sources.agree) {
    const [lo, hi] = M.sources.agree.map(v => Math.max(-m, Math.min(m, v * 1e3)));
    s.append(sv('rect', { class: 'where', x: X(lo), width: Math.max(2, X(hi) - X(lo)), y: 0, height: H - 20 }));
  }
  for (const v of ticksFor(X, 5, narrow ? 34 : 44)) s.append(sv('path', { class: v ? 'gr' : 'ax', d: `M${X(v)} 0V${H - 20}` }), sv('text', { x: X(v), y: H - 5, 'text-anchor': 'middle' }, v ? signed(v, figuresOf(v)) : '0'));
  list.forEach((q, i) => {
    const y = top + row * i + row / 2 + (narrow ? 7 : 0), col = `var(--${q.state === 'wrong' ? 'bad' : sourceColour(i)})`;
    const label = narrow || q.name.length <= 22 ? q.name : q.name.slice(0, 21) + '…';
    s.append(sv('text', { class: 'nm', x: narrow ? 8 : 0, y: narrow ? y - 11 : y + 4 }, label));
    if (!known(q.offset)) { s.append(sv('text', { x: X(0) + 6, y: y + 4 }, 'no answer')); return; }
    const o = q.offset * 1e3, d = (q.margin || 0) * 1e3;
    if (Math.abs(o) > m) {
      const right = o > 0, tip = right ? R - 3 : L + 3, tail = right ? tip - 92 : tip + 92, back = right ? tip - 7 : tip + 7;
      s.append(sv('path', { d: `M${tail} ${y}H${tip}M${back} ${y - 5}L${tip} ${y}L${back} ${y + 5}`, stroke: col, fill: 'none', 'stroke-width': 1.6 }),
        sv('text', { x: right ? tail - 5 : tail + 5, y: y + 4, 'text-anchor': right ? 'end' : 'start' }, signed(o, 1) + ' ± ' + num(d, 1)));
      return;
    }
    const a = X(Math.max(-m, o - d)), b = X(Math.min(m, o + d));
    s.append(sv('path', { d: `M${a} ${y - 5}v10M${b} ${y - 5}v10M${a} ${y}H${b}`, stroke: col, 'stroke-width': 1.6, fill: 'none' }), sv('circle', { cx: X(o), cy: y, r: 3.6, fill: col }));
  });
  const good = list.filter(q => q.state !== 'wrong' && q.state !== 'lost').length, wrong = list.filter(q => q.state === 'wrong').map(q => q.name);
  s.setAttribute('aria-label', `${good} of ${list.length} sources overlap` + (wrong.length ? '; wrong: ' + wrong.join(', ') : '') + '.');
  const half = M.sources.agree ? (M.sources.agree[1] - M.sources.agree[0]) * 500 : null;
  e.replaceChildren(s, el('p', { class: 'note flush' }, known(half) ? `Shaded: where true time must be, ±${num(half, figures(half))}${NB}ms.` : 'No majority of the sources agrees.'));
}

/** How often each offset occurred. */
function distribution(e) {
  if (!loaded('offset')) return;
  const q = M.frame.get('offset').mean.filter(known).map(v => v * 1e3).sort((a, b) => a - b);
  if (q.length < 20) { e.replaceChildren(el('p', { class: 'note' }, 'Too little is recorded in this range.')); return; }
  const at = p => q[Math.floor(p * (q.length - 1))], W = widthOf(e), H = 168, L = 10, R = W - 10, B = Math.min(60, Math.max(24, Math.round(W / 11)));
  const reach = Math.max(Math.abs(at(.005)), Math.abs(at(.995))) * 1.25 || .001, unit = 10 ** Math.floor(Math.log10(reach)), step = reach / unit > 5 ? 2 * unit : reach / unit > 2 ? unit : unit / 2;
  const m = Math.ceil(reach / step) * step, X = v => L + (v + m) / (2 * m) * (R - L), bins = new Array(B).fill(0);
  for (const v of q) { const k = Math.floor((v + m) / (2 * m) * B); if (k >= 0 && k < B) bins[k] += 1; }
  const most = Math.max(...bins), half = Math.max(-at(.25), at(.75)), edge = Math.max(-at(.01), at(.99)), d = figuresOf(step);
  const short = v => v < .1 ? num(v * 1e3, v < .01 ? 1 : 0) + NB + 'µs' : num(v, 2) + NB + 'ms';
  const { s } = sheet(e, H, `Half of the time within ${short(half)}, 98 % within ${short(edge)}.`);
  bins.forEach((n, k) => n && s.append(sv('rect', { class: 'bin', x: L + k * (R - L) / B + .5, width: (R - L) / B - 1, y: 140 - 110 * n / most, height: 110 * n / most })));
  s.append(sv('path', { class: 'ax', d: `M${L} 140.5H${R}` }));
  const every = Math.ceil(2 * m / step / Math.max(2, Math.floor(W / 70))) * step;
  for (let v = 0; v <= m * 1.001; v += every) for (const w of v ? [v, -v] : [0]) s.append(sv('text', { x: X(w), y: 155, 'text-anchor': w < -m * .97 ? 'start' : w > m * .97 ? 'end' : 'middle' }, w ? signed(w, d) : '0'));
  for (const [p, words, anchor] of [[.01, '1 % below', 'end'], [.99, '99 % below', 'start']]) {
    const x = X(Math.max(-m, Math.min(m, at(p)))), fit = anchor === 'end' ? Math.max(x, 96) : Math.min(x, W - 100);
    s.append(sv('path', { d: `M${x} 22V140`, class: 'dotted' }), sv('text', { x: fit, y: 14, 'text-anchor': anchor }, words + ' ' + signed(at(p), d + 1)));
  }
  e.replaceChildren(s, el('p', { class: 'note' }, `Half of the time the clock was within ${short(half)}, 98${NB}% of the time within ${short(edge)}.`));
}

/** Allan deviation of the recorded frequency: how much means of neighbouring stretches of equal length differ. */
function allanPoints(list, step) {
  const points = [];
  for (let m = 1; m <= list.length / 4; m = Math.max(m + 1, Math.round(m * 1.4))) {
    let sum = 0, n = 0;
    for (let i = 0; i + 2 * m <= list.length; i += Math.max(1, Math.floor(m / 4))) {
      let a = 0, b = 0, whole = true;
      for (let j = 0; j < m && whole; j++) { const p = list[i + j], q = list[i + m + j]; if (!known(p) || !known(q)) whole = false; else { a += p; b += q; } }
      if (!whole) continue;
      sum += ((b - a) / m) ** 2;
      n += 1;
    }
    if (n >= 3 && sum > 0) points.push([m * step, Math.sqrt(sum / n / 2)]);
  }
  return points;
}
function allan(e) {
  if (!loaded('frequency')) return;
  const points = allanPoints(M.frame.get('frequency').mean, M.frame.step);
  if (points.length < 4) { e.replaceChildren(el('p', { class: 'note' }, 'Too little is recorded in this range.')); return; }
  const log = Math.log10, ys = points.map(p => log(p[1])), y0 = Math.floor(Math.min(...ys)), y1 = Math.max(y0 + 1, Math.ceil(Math.max(...ys)));
  const x0 = log(points[0][0]), x1 = log(points.at(-1)[0]), W = widthOf(e), H = 172, L = GUT(), R = W - 12, T = 10, B = 146;
  const X = v => L + (log(v) - x0) / (x1 - x0) * (R - L), Y = v => T + (y1 - log(v)) / (y1 - y0) * (B - T);
  const best = points.reduce((a, b) => b[1] < a[1] ? b : a), worst = points.reduce((a, b) => b[1] > a[1] ? b : a);
  const { s } = sheet(e, H, `Allan deviation between ${best[1].toExponential(1)} near ${lasting(best[0])} and ${worst[1].toExponential(1)} near ${lasting(worst[0])}.`);
  for (let k = y0; k <= y1; k++) s.append(sv('path', { class: 'gr', d: `M${L} ${Y(10 ** k)}H${R}` }), sv('text', { x: L - 6, y: Y(10 ** k) + 4, 'text-anchor': 'end' }, '10', sv('tspan', { dy: -4, 'font-size': 8 }, (k < 0 ? '−' : '') + Math.abs(k))));
  let busy = -1e9;
  for (const t of [10, 60, 600, HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY, 180 * DAY]) if (log(t) >= x0 && log(t) <= x1 && X(t) - busy > 56 && X(t) < R - 8) { busy = X(t); s.append(sv('path', { class: 'ax', d: `M${X(t)} ${B}v4` }), sv('text', { x: X(t), y: B + 17, 'text-anchor': 'middle' }, lasting(t))); }
  s.append(sv('path', { d: 'M' + points.map(p => X(p[0]).toFixed(1) + ' ' + Y(p[1]).toFixed(1)).join('L'), class: 'c1line' }));
  for (const p of points) s.append(sv('circle', { cx: X(p[0]), cy: Y(p[1]), r: 1.8, fill: 'var(--c1)' }));
  s.append(sv('circle', { cx: X(best[0]), cy: Y(best[1]), r: 4.5, class: 'ring' }), sv('path', { class: 'ax', d: `M${L} ${B}H${R}` }));
  const ppb = v => v * 1e9 < .1 ? num(v * 1e12, 1) + NB + '× 10⁻¹²' : num(v * 1e9, figures(v * 1e9)) + NB + 'ppb';
  e.replaceChildren(s, el('p', { class: 'note' }, `Steadiest over ${lasting(best[0])}: neighbouring stretches differ by ${ppb(best[1])}.`));
}

/** A day a row, an hour a cell, over the last two weeks whatever the range: when it is busy. */
function hours(words) {
  return e => {
    const frame = M.fortnight;
    if (!frame) return;
    const q = frame.get('packets_in').mean, cells = new Map();
    frame.x.forEach((t, i) => {
      if (!known(q[i])) return;
      const h = Math.floor((t + shift(t)) / HOUR), c = cells.get(h) || [0, 0];
      cells.set(h, [c[0] + q[i], c[1] + 1]);
    });
    const means = [...cells.values()].map(c => c[0] / c[1]), most = Math.max(...means), least = Math.min(...means);
    if (means.length < 6) { e.replaceChildren(el('p', { class: 'note flush' }, 'A pattern shows after a few hours.')); return; }
    const days = [...new Set([...cells.keys()].map(h => Math.floor(h / 24)))].sort((a, b) => a - b);
    const W = widthOf(e), L = 45, w = (W - L) / 24, h = Math.max(11, Math.min(24, 210 / days.length)), H = days.length * h + 20;
    const { s } = sheet(e, H, `${words}: between ${num(least)} and ${num(most)} in the mean of an hour.`);
    days.forEach((d, r) => {
      const name = DAYS[(d + 4) % 7] + NB + new Date(d * DAY * 1e3).getUTCDate();
      s.append(sv('text', { x: 0, y: r * h + h / 2 + 4 }, name));
      for (let k = 0; k < 24; k++) {
        const c = cells.get(d * 24 + k);
        if (!c) continue;
        const v = c[0] / c[1], deep = .07 + .93 * (v - least) / (most - least || 1);
        s.append(sv('rect', { class: 'heat', x: L + k * w + .5, y: r * h + .5, width: w - 1, height: h - 1, 'fill-opacity': deep.toFixed(3) }, sv('title', {}, `${name} ${two(k)}:00, ${num(v)}`)));
      }
    });
    for (const k of [0, 6, 12, 18]) s.append(sv('text', { x: L + (k + .5) * w, y: H - 4, 'text-anchor': 'middle' }, two(k)));
    e.replaceChildren(s);
  };
}

/** Horizontal bars with their numbers. */
function bars(rows, unit) {
  const most = Math.max(...rows.map(r => r.share), 1e-9);
  return el('dl', { class: 'hist' }, rows.map(r => {
    const b = el('span', { class: 'bar' });
    b.style.width = r.share / most * 100 + '%';
    return [el('dt', {}, r.label), el('dd', {}, b), el('dd', { class: 'p' }, num(r.share * 100, 1) + (unit || ''))];
  }));
}
