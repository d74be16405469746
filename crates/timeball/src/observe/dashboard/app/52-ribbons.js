/* What the clock did with each source: height and colour say the state. */

const pattern = () => sv('svg', { width: 0, height: 0, 'aria-hidden': 'true', class: 'vh' }, sv('defs', {},
  sv('pattern', { id: 'hx', width: 5, height: 5, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' },
    sv('rect', { width: 5, height: 5, fill: 'var(--badb)' }), sv('rect', { width: 2, height: 5, fill: 'var(--bad)' }))));

/** Stretches of equal value: [{value, from, to}], ends as indices. */
function runs(list) {
  const out = [];
  list.forEach((v, i) => {
    const last = out.at(-1);
    if (last && last.value === v) last.to = i + 1;
    else out.push({ value: v, from: i, to: i + 1 });
  });
  return out;
}

const stateSeries = source => 'source_state@' + source.id;
const statesOf = source => M.frame.get(stateSeries(source)).mean.map(v => v === null ? null : stateOf(v));

function ribbon(source, height) {
  const list = statesOf(source), n = list.length || 1, W = 960, k = W / n;
  const s = sv('svg', { class: 'r', viewBox: `0 0 ${W} ${height}`, preserveAspectRatio: 'none', role: 'img' });
  s.append(sv('path', { d: `M0 ${height - .5}H${W}`, class: 's-line', 'vector-effect': 'non-scaling-stroke' }));
  const share = {};
  for (const q of runs(list)) {
    if (!q.value) continue;
    share[q.value] = (share[q.value] || 0) + q.to - q.from;
    if (q.value === 'lost') {
      s.append(sv('path', { class: 's-lost', d: `M${q.from * k} ${height / 2}H${q.to * k}`, 'vector-effect': 'non-scaling-stroke' }));
      continue;
    }
    const h = STATES[q.value].height * height;
    s.append(sv('rect', { x: q.from * k, y: height - h, width: (q.to - q.from) * k, height: h, class: 's-' + q.value }));
  }
  const words = Object.entries(share).map(([state, m]) => STATES[state].words + ' ' + Math.round(100 * m / n) + NB + '%');
  s.setAttribute('aria-label', source.name + ': ' + (words.join(', ') || 'nothing recorded'));
  return s;
}

/** Which source the clock followed, named where the stretch is long enough. */
function followed(list, width) {
  const states = list.map(statesOf), n = states[0] ? states[0].length : 0, short = shortNames(list);
  const who = Array.from({ length: n }, (_, i) => { const k = states.findIndex(s => s[i] === 'selected'); return k < 0 ? null : k; });
  const parts = runs(who).filter(q => q.value !== null);
  const box = el('div', { class: 'follow', role: 'img', 'aria-label': 'Followed: ' + (parts.map(q => list[q.value].name).join(', then ') || 'none') });
  for (const q of parts) {
    const name = list[q.value].name, room = (q.to - q.from) / n * width;
    const e = el('span', { title: name }, room > name.length * 6.6 ? name : room > short[q.value].length * 7 ? short[q.value] : '');
    e.style.left = q.from / n * 100 + '%';
    e.style.width = (q.to - q.from) / n * 100 + '%';
    e.style.borderColor = `var(--${sourceColour(q.value)})`;
    box.append(e);
  }
  return box;
}

function axisRow() {
  const [a, b] = span(), w = b - a, d = MINUTE * 10;
  const step = w > 200 * DAY ? 61 * DAY : w > 20 * DAY ? 5 * DAY : w > 2 * DAY ? 12 * HOUR : w > 9 * HOUR ? 3 * HOUR : w > 3 * HOUR ? HOUR : w > HOUR ? 2 * d : d;
  const row = el('div', { class: 'axrow', 'aria-hidden': 'true' });
  for (let t = Math.ceil((a + shift(a)) / step) * step - shift(a); t < b; t += step) {
    const p = (t - a) / w * 100;
    if (p > 97 || p < 1) continue;
    const e = el('span', {}, w > 3.5 * DAY ? dayOf(t) : midnight(t) ? weekday(t) : clockOf(t));
    e.style.left = p + '%';
    row.append(e);
  }
  return row;
}

/** All sources: narrow in the side column, wide with the followed one and an axis. */
function ribbons(wide) {
  const list = () => (M.sources ? M.sources.sources : []);
  for (const s of list()) want(stateSeries(s));
  let line = null;
  const follow = t => {
    if (!line) return;
    const [a, b] = span();
    line.hidden = t === null;
    if (t !== null) line.style.left = (t - a) / (b - a) * 100 + '%';
  };
  widget({ start() { followers.add(follow); }, stop() { followers.delete(follow); } });
  return picture(e => {
    const sources = list();
    line = el('i', { hidden: true });
    e.replaceChildren();
    if (!sources.length) { put(e, [el('p', { class: 'note flush' }, 'No sources are configured.')]); return; }
    const ready = loaded(...sources.map(stateSeries)), rows = ready ? sources.map(s => el('div', { class: 'rib' },
      el('span', { class: 'n' }, glyph(s.state), el('span', { class: 'nm' }, s.name), el('span', { class: 'vh' }, STATES[s.state].words)),
      wide ? '' : el('span', { class: 'o' }, milliseconds(s.offset)), ribbon(s, wide ? 20 : 14))) : [];
    put(e, [
      wide && el('div', { class: 'over' }, line),
      wide && ready && el('div', { class: 'rib' }, el('span', { class: 'n' }, 'Followed'), followed(sources, e.clientWidth - (innerWidth > 700 ? rem() * 15.25 : 0))),
      rows, wide && axisRow(),
    ]);
    follow(cursorAt);
  }, wide ? 'wide' : '');
}

/** An offset in ms, or in µs where ms would be all zeros. */
function milliseconds(v) {
  if (!known(v)) return '–';
  const a = Math.abs(v);
  return a < 9.95e-5 ? signed(v * 1e6, a < 1e-5 ? 1 : 0) + NB + 'µs' : signed(v * 1e3, a < .01 ? 2 : 1) + NB + 'ms';
}

const stateKeys = () => el('ul', { class: 'keys', 'aria-label': 'States' }, Object.entries(STATES).map(([k, s]) => el('li', {}, glyph(k, 11), s.words, el('span', { class: 'mono' }, s.mark))));
