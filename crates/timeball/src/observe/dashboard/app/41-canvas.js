/* How a graph is painted: uPlot's options, bands, stacks, and what is written into the picture. */

/** uPlot's columns; see options() for the series that belong to them. */
function buildData(plot, lines, shown) {
  const data = [shown.x], n = shown.x.length;
  const blank = () => new Array(n).fill(null);
  if (plot.stack) {
    let sum = null;
    const stacked = lines.map((s, i) => {
      if (s.as === 'peak') return shown.step < 5 * MINUTE ? blank() : shown.rows[i].mean;
      const m = shown.rows[i].mean;
      sum = sum ? sum.map((v, j) => v === null || m[j] === null ? null : v + m[j]) : m.slice();
      return sum;
    });
    data.push(...stacked.reverse());
    return data;
  }
  lines.forEach((s, i) => {
    const r = shown.rows[i];
    if (s.as === 'envelope') data.push(r.hi, r.hi.map(v => v === null ? null : -v));
    else if (s.as === 'band') data.push(r.hi, r.lo, r.mean);
    else data.push(r.mean);
  });
  return data;
}

function seriesOf(plot, lines) {
  const series = [{}], bands = [], points = { show: false };
  const dashes = s => s.dash === 2 ? [1.5, 2.5] : s.dash ? [5, 3] : undefined;
  if (plot.stack) {
    for (const s of lines.slice().reverse()) {
      if (s.as === 'peak') series.push({ stroke: token('mid'), width: 1, points });
      else series.push({ stroke: token(s.colour), width: 1, fill: token(s.colour + 'b'), points });
    }
    return { series, bands };
  }
  for (const s of lines) {
    const c = token(s.colour);
    if (s.as === 'envelope') {
      series.push({ stroke: token('line2'), width: 1, points }, { stroke: token('line2'), width: 1, points });
      bands.push({ series: [series.length - 2, series.length - 1], fill: token('env') });
      continue;
    }
    if (s.as === 'band') {
      series.push({ width: 0, points }, { width: 0, points });
      bands.push({ series: [series.length - 2, series.length - 1], fill: token(s.colour + 'b') });
    }
    series.push({ stroke: c, width: 1.35, dash: dashes(s), points, fill: s.as === 'area' ? token(s.colour + 'b') : undefined, fillTo: 0 });
  }
  return { series, bands };
}

/** The scale of values: fixed ends, symmetric about zero, or as the data are. */
function valueRange(g, low, high) {
  const { plot, shown, lines } = g;
  if (!known(low)) return [0, 1];
  if (plot.zero) {
    let m = Math.max(Math.abs(low), Math.abs(high)) * 1.12 || 1;
    if (plot.robust) {
      // When a few minutes would flatten a day, the scale follows the usual; what leaves it is written at the edge.
      const usual = robust(shown, lines);
      if (usual && usual < m * .6) m = usual;
    }
    return [-m, m];
  }
  let lo = known(plot.min) ? plot.min : low, hi = known(plot.max) ? plot.max : high;
  if (plot.robust && plot.min === 0) {
    const usual = robust(shown, lines);
    if (usual && usual < hi * .6) hi = usual;
  } else if (plot.robust && lines.length > 1 && !known(plot.max)) {
    const all = shown.rows.flatMap(r => r.mean.filter(known)).sort((a, b) => a - b), q = p => all[Math.floor(p * (all.length - 1))];
    const spread = q(.85) - q(.15) || Math.abs(q(.5)) || 1;
    lo = Math.max(lo, q(.15) - 1.5 * spread);
    hi = Math.min(hi, q(.85) + 1.5 * spread);
  }
  const pad = (hi - lo || Math.abs(hi) || 1) * .1;
  return [known(plot.min) ? lo : lo - pad, known(plot.max) ? hi : hi + pad];
}
function robust(shown, lines) {
  const envelope = lines.findIndex(s => s.as === 'envelope'), rows = envelope < 0 ? shown.rows : [shown.rows[envelope]];
  const usual = rows.map(r => {
    const sizes = r.hi.map((v, i) => v === null ? null : Math.max(Math.abs(v), Math.abs(r.lo[i]))).filter(known).sort((a, b) => a - b);
    return sizes.length ? sizes[Math.floor(sizes.length * .94)] * 1.55 : 0;
  });
  return Math.max(...usual) || null;
}

function options(g, size) {
  const { plot, lines } = g, small = rem() * .7857, font = Math.round(small) + 'px ' /* uPlot scales whole numbers only */ + family(), mute = token('mute');
  const { series, bands } = seriesOf(plot, lines);
  const down = lines.some(s => s.sign < 0);
  const label = (v, d) => { const x = down ? Math.abs(v) : v; return Math.abs(x) >= 1e6 ? num(x / 1e6, 1) + NB + 'M' : Math.abs(x) >= 1e4 ? num(x / 1000) + NB + 'k' : num(x, d); };
  return {
    width: size.width, height: size.height, padding: [8, size.ends ? small * 3.6 : 4, 0, 0], series, bands, legend: { show: false },
    tzDate: ts => local ? new Date(ts * 1e3) : uPlot.tzDate(new Date(ts * 1e3), 'Etc/UTC'),
    scales: { x: { time: true, range: () => span() }, y: { range: (u, a, b) => valueRange(g, a, b) } },
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false }, focus: { prox: -1 } },
    axes: [
      { stroke: mute, font, size: small * 2, gap: 4, space: small * 5.6, grid: { show: false }, ticks: { stroke: token('line2'), width: 1, size: 4 }, values: timeLabels, border: { show: true, stroke: token('line2'), width: 1 } },
      { stroke: mute, font, size: (u, v) => Math.max(gutter(), v ? Math.max(...v.map(q => q.length)) * small * .56 + 10 : 0), gap: 6, space: small * 2.3, grid: { stroke: token('line'), width: 1 }, ticks: { show: false }, values: (u, s) => s.map(v => label(v, decimals(s))) },
    ],
    hooks: {
      drawClear: [u => drawGaps(u)],
      draw: [u => drawOver(u, g, size, small)],
      setCursor: [u => { if (moving || !g.u) return; const l = u.cursor.left; cursor(l === null || l === undefined || l < 0 ? null : u.posToVal(l, 'x'), g); }],
      setSelect: [u => {
        if (u.select.width > 6) zoom([u.posToVal(u.select.left, 'x'), u.posToVal(u.select.left + u.select.width, 'x')]);
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      }],
    },
  };
}

function inside(u, paint) {
  const x = u.ctx, { left, top, width, height } = u.bbox;
  x.save();
  x.beginPath();
  x.rect(left, top, width, height);
  x.clip();
  paint(x, left, top, width, height, devicePixelRatio || 1);
  x.restore();
}
const vertical = (x, at, top, height) => { x.beginPath(); x.moveTo(at, top); x.lineTo(at, top + height); x.stroke(); };
const horizontal = (x, at, left, width) => { x.beginPath(); x.moveTo(left, at); x.lineTo(left + width, at); x.stroke(); };

/** Stretches in which nothing was recorded are hatched, never bridged. */
function drawGaps(u) {
  if (!M.frame || !M.frame.gaps.length) return;
  inside(u, (x, left, top, width, height) => {
    x.fillStyle = hatch(x, token('line2'));
    for (const [from, to] of M.frame.gaps) {
      const a = u.valToPos(from, 'x', true), b = u.valToPos(to, 'x', true);
      if (b > left && a < left + width && b - a >= 2) x.fillRect(a, top, b - a, height);
    }
  });
}

function drawOver(u, g, size, small) {
  const { plot, lines, shown } = g;
  inside(u, (x, left, top, width, height, r) => {
    x.font = small * r + 'px ' + family();
    if (plot.zero || lines.some(s => s.sign < 0) || plot.signed) {
      const y = Math.round(u.valToPos(0, 'y', true));
      x.strokeStyle = token('ctl');
      x.lineWidth = r;
      horizontal(x, y, left, width);
    }
    if (plot.robust) drawBeyond(u, g, x, r);
    for (const l of plot.lines || []) {
      const y = Math.round(u.valToPos(l.at, 'y', true));
      x.strokeStyle = token('warn');
      x.lineWidth = r;
      x.setLineDash([4 * r, 3 * r]);
      horizontal(x, y, left, width);
      x.setLineDash([]);
      x.fillStyle = token('mute');
      x.textAlign = 'right';
      x.fillText(l.words, left + width - 4 * r, y - 4 * r);
    }
    if (plot.classic && g.box.closest('.grid3')) return;
    x.globalAlpha = .75;
    x.lineWidth = r;
    x.setLineDash([r, 3 * r]);
    for (const e of M.events) {
      const at = Math.round(u.valToPos(e.at, 'x', true));
      if (at < left || at > left + width) continue;
      x.strokeStyle = token(e.kind === 'alarm' ? 'bad' : 'ctl');
      vertical(x, at, top, height);
    }
  });
  if (size.ends) drawEnds(u, lines, shown, small);
}

/** What leaves the scale is written at the edge, never silently cut; the farthest first, as far as there is room. */
function drawBeyond(u, g, x, r) {
  const { lines, shown } = g, { left, top, width, height } = u.bbox, max = u.scales.y.max, min = u.scales.y.min, n = shown.x.length;
  const leaves = [], digits = v => Math.min(figures(v), g.plot.digits ?? 3);
  lines.forEach((s, k) => {
    const { hi, lo } = shown.rows[k], both = s.as === 'envelope';
    const out = i => known(hi[i]) && (hi[i] > max || lo[i] < min);
    for (let i = 0; i < n; i++) {
      if (!out(i)) continue;
      const first = i;
      let peak = 0;
      for (; i < n && out(i); i++) for (const v of [hi[i], lo[i]]) if (Math.abs(v) > Math.abs(peak)) peak = v;
      const text = both ? '↑ up to ±' + num(Math.abs(peak), digits(peak)) : (peak > 0 ? '↑ ' : '↓ ') + (lines.length > 1 && s.as !== 'band' ? s.label + ' ' : '') + signed(peak, digits(peak));
      leaves.push({ text, k, peak, first, last: i - 1, up: peak > 0 || both });
    }
  });
  const taken = [], spoken = new Set(), many = lines.length > 2;
  x.fillStyle = token('mid');
  x.textAlign = 'left';
  for (const l of leaves.sort((a, b) => Math.abs(b.peak) - Math.abs(a.peak))) {
    if (many && spoken.has(l.k)) continue; // where many lines leave, each says its farthest only
    const w = x.measureText(l.text).width, y = l.up ? top + 12 * r : top + height - 5 * r;
    // Beside its end; a stretch that does not end is marked where it begins.
    const places = [u.valToPos(shown.x[l.last], 'x', true) + 5 * r, u.valToPos(shown.x[l.first], 'x', true) + 5 * r, u.valToPos(shown.x[l.first], 'x', true) - w - 5 * r];
    const at = places.find(p => p >= left && p + w <= left + width && !taken.some(t => t.y === y && p < t.to + 6 * r && p + w > t.from - 6 * r));
    if (at === undefined) continue;
    x.fillText(l.text, at, y);
    spoken.add(l.k);
    taken.push({ y, from: at, to: at + w });
  }
}

/** Names at the ends of lines: readable without colour. */
function drawEnds(u, lines, shown, small) {
  const x = u.ctx, r = devicePixelRatio || 1, { left, top, width, height } = u.bbox;
  x.save();
  x.font = small * r + 'px ' + family();
  x.textAlign = 'left';
  const list = lines.map((s, i) => ({ s, v: shown.rows[i].mean.findLast(known) })).filter(q => known(q.v))
    .map(q => ({ s: q.s, y: Math.max(top, Math.min(top + height, u.valToPos(q.v, 'y', true))) })).sort((p, q) => q.y - p.y);
  let free = top + height + small * r * .3;
  for (const q of list) {
    const y = Math.min(q.y + small * r * .35, free);
    free = y - small * r * 1.08;
    x.fillStyle = token(q.s.colour);
    const fit = q.s.label.length > 6 ? q.s.label.slice(0, 6) : q.s.label;
    x.fillText(fit, left + width + 4 * r, y);
  }
  x.restore();
}
