/* Numbers, times and words. */
const NB = '\u202f'; // narrow space: between thousands, and between a number and its unit
const MINUTE = 60, HOUR = 3600, DAY = 86400;

const known = v => v !== null && v !== undefined && Number.isFinite(v);

/** A number with a true minus and narrow thousands; unknown is a dash, never 0. */
function num(v, digits = 0) {
  if (!known(v)) return '–';
  const [whole, part] = Math.abs(v).toFixed(digits).split('.');
  const minus = v < 0 && Number(v.toFixed(digits)) !== 0 ? '−' : '';
  return minus + whole.replace(/\B(?=(\d{3})+(?!\d))/g, NB) + (part ? '.' + part : '');
}
/** The same with a plus. */
const signed = (v, digits) => (known(v) && v > 0 && Number(v.toFixed(digits)) !== 0 ? '+' : '') + num(v, digits);

/** Enough digits for about three figures. */
const figures = v => { const a = Math.abs(v); return !known(v) || a === 0 || a >= 100 ? 0 : a >= 10 ? 1 : a >= 1 ? 2 : Math.min(6, 2 - Math.floor(Math.log10(a))); };

function bytes(v) {
  if (!known(v)) return '–';
  for (const [unit, size] of [['GB', 1e9], ['MB', 1e6], ['kB', 1e3]]) if (v >= size) return num(v / size, v < 100 * size ? 1 : 0) + NB + unit;
  return num(v) + NB + 'B';
}

/** A stretch of time in its two largest units. */
function lasting(s) {
  if (!known(s)) return '–';
  const units = [[365 * DAY, 'y'], [DAY, 'd'], [HOUR, 'h'], [MINUTE, 'min'], [1, 's']];
  const i = units.findIndex(u => s >= u[0]);
  if (i < 0) return num(s, 1) + NB + 's';
  const big = Math.floor(s / units[i][0]), rest = s - big * units[i][0], next = units[i + 1];
  const small = next ? Math.floor(rest / next[0]) : 0;
  return big + NB + units[i][1] + (small && i < 4 ? ' ' + small + NB + next[1] : '');
}

/** A number keeps its unit on its line. */
const tied = text => text.replace(/(\d) (?=%|(?:[mµn]?s|ppm|min|h)\b)/g, '$1' + NB);

/** A poll interval: whole seconds as far as they are usual. */
const pollWords = s => known(s) && s >= 1 && s < 2048 ? num(s) + NB + 's' : lasting(s);

/* Times are shown in UTC or, when the reader asks for it, in the time of this browser. */
const prefs = {
  get(key) { try { return localStorage.getItem('timeball.' + key); } catch { return null; } },
  set(key, value) { try { localStorage.setItem('timeball.' + key, value); } catch { /* a private window forgets */ } },
};
let local = prefs.get('tz') === 'local';
const zoneName = () => {
  if (!local) return 'UTC';
  const part = new Intl.DateTimeFormat('en', { timeZoneName: 'short' }).formatToParts(new Date()).find(p => p.type === 'timeZoneName');
  return part ? part.value : 'local';
};
const shift = t => local ? -new Date(t * 1000).getTimezoneOffset() * 60 : 0;
/** A Date whose UTC fields are the ones to show. */
const date = t => new Date((t + shift(t)) * 1000);
const two = n => String(n).padStart(2, '0');
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const clockOf = t => { const d = date(t); return two(d.getUTCHours()) + ':' + two(d.getUTCMinutes()); };
const secondsOf = t => clockOf(t) + ':' + two(date(t).getUTCSeconds());
const dayOf = t => date(t).getUTCDate() + NB + MONTHS[date(t).getUTCMonth()];
const weekday = t => DAYS[date(t).getUTCDay()] + NB + date(t).getUTCDate();
const midnight = t => (Math.round(t) + shift(t)) % DAY === 0;

/** A moment, as exactly as the width of the range deserves. */
function moment(t) {
  const [a, b] = span(), w = b - a;
  if (w > 200 * DAY) return dayOf(t) + ' ' + date(t).getUTCFullYear();
  if (w > 4 * DAY) return dayOf(t) + ' ' + clockOf(t);
  if (w > DAY) return DAYS[date(t).getUTCDay()] + ' ' + clockOf(t);
  return w <= 2 * HOUR ? secondsOf(t) : clockOf(t);
}

/* The states of a source: series value, chrony's mark, words. */
const STATES = {
  selected: { value: 5, mark: '*', words: 'selected', height: 1 },
  combined: { value: 4, mark: '+', words: 'combined', height: .62 },
  unneeded: { value: 3, mark: '−', words: 'good, not needed', height: .3 },
  wrong: { value: 1, mark: 'x', words: 'wrong', height: 1 },
  unsteady: { value: 2, mark: '~', words: 'unsteady', height: .62 },
  lost: { value: 0, mark: '?', words: 'no answer', height: 0 },
};
const stateOf = value => Object.keys(STATES).find(k => STATES[k].value === Math.round(value)) || null;

const KINDS = { alarm: 'Alarms', source: 'Sources', step: 'Steps', start: 'Starts', stop: 'Stops', config: 'Settings', client: 'Clients', pool: 'Pool' };

/* Explanations of what only this page shows; all others come with /api/plots and win over these. */
const TERMS = {
  error_bound: { title: 'Error bound', what: 'The largest error this clock can have right now, if its sources are right: offset (without sign) + root dispersion + half the root delay.', good: 'Below 10 ms is excellent for a public server.' },
  stratum: { title: 'Stratum', what: 'Steps from a reference clock. An atomic or GPS clock is 0; a server beside it is 1; who asks such a server is 2.', good: 'It is distance, not quality. 1 to 4 is normal.', chrony: 'Stratum' },
  state: { title: 'State', what: 'What the clock does with this source right now: follow it, average it in, keep it in reserve, or ignore it and say why.', chrony: 'S column' },
  offset: { title: 'Offset', what: 'How far this source is from the clock. Plus means the source is ahead, so the clock is behind.', chrony: 'Offset' },
  margin: { title: 'Margin', what: 'How wrong the source’s word may be: half the round trip, and what the source says of itself.' },
  delay: { title: 'Delay', what: 'Round trip to the source and back.', good: 'Shorter leaves less room for error.', chrony: 'Delay' },
  jitter: { title: 'Jitter', what: 'How much successive measurements of one source scatter.', chrony: 'Std Dev' },
  poll: { title: 'Poll interval', what: 'How often the source is asked. It adapts: a calm clock asks less.', chrony: 'Poll' },
  reach: { title: 'Reach', what: 'The last eight questions to this source, newest at the right. Filled: answered.', good: 'All filled is octal 377.', chrony: 'Reach' },
  agree: { title: 'Who agrees', what: 'Each bar is where a source says true time is, give or take its own error. The right time lies where most bars overlap.', good: 'A bar that touches no other is wrong.' },
  strip: { title: 'This clock and its sources', what: 'The line in the middle is this clock, the shaded stretch is where true time must be, and each mark is what one source says. The scale is fine in the middle and coarse at the ends.' },
  distribution: { title: 'Distribution', what: 'How often each offset occurred in the chosen range.', good: 'Narrow and centred is good.' },
  allan: { title: 'Allan deviation', what: 'How much the recorded frequency changes from one stretch of time to the next, for stretches of every length.', good: 'A line that falls is noise that averages out; one that rises is the oscillator wandering.' },
  hours: { title: 'Hours of the day', what: 'The mean of each hour; darker means busier. It shows when people are awake, and what stands out from that.' },
  intervals: { title: 'How often clients ask', what: 'The time between two requests of the same client.', good: '64 s to 1 024 s is well-behaved.' },
  versions: { title: 'Versions', what: 'The NTP version in the request.' },
  action: { title: 'What we do', what: 'Answer, leave the request without an answer because its sender is over the limit, or tell it to slow down (chrony: KoD).' },
  archive: { title: 'Archive', what: 'One file of fixed size that remembers least, mean and most: 10 s for a day, then ever coarser for years.' },
  month: { title: 'This month', what: 'Bytes of NTP packets with their IP headers since the first of the month, UTC, in both directions, as far as they were recorded.' },
  flash: { title: 'Written today', what: 'Bytes written to the disk or flash by the archive since midnight UTC.', good: 'Some MB a day are nothing to eMMC. For a small flash, stats interval and stats profile router make it less.' },
};
const termOf = key => (M.plots && M.plots.terms && M.plots.terms[key]) || TERMS[key];
