/* What the server said, and when to ask again. The page has no clock of its own: "now" is the server's. */
const M = {
  status: null,   // /api/status, renewed each second
  sources: null,  // /api/sources, every 10 s
  clients: null,  // /api/clients, only on its page
  plots: null,    // /api/plots
  events: [],     // /api/events of the range shown, oldest first
  latest: [],     // the latest events, newest first
  frame: null,    // series of the range shown
  sparks: null,   // series of the last day, for the tiles
  fortnight: null, // requests of two weeks by the hour, only on its page
  contact: 'wait', // wait, live, down
  since: 0,       // since when it is down, by the server's clock
};
/* What is looked at. */
const S = { page: 'overview', range: '24h', zoom: null, filter: new Set() };

let clockAt = 0, clockSaid = 0;
const now = () => clockSaid ? clockSaid + (performance.now() - clockAt) / 1000 : Date.now() / 1000;
function setClock(t) { clockSaid = t; clockAt = performance.now(); }

const FALLBACK = [['1h', HOUR], ['24h', DAY], ['3d', 3 * DAY], ['30d', 30 * DAY], ['1y', 365 * DAY]];
const rangeList = () => M.plots ? M.plots.ranges.map(r => [r.id, r.seconds]) : FALLBACK;
const rangeSeconds = () => (rangeList().find(r => r[0] === S.range) || FALLBACK[1])[1];
/** From and to of what is shown. Without a zoom it ends where the data ends, so that nothing slides between two loads. */
function span() {
  if (S.zoom) return S.zoom;
  const end = M.frame && M.frame.range === S.range && !M.frame.zoom ? M.frame.to : now();
  return [end - rangeSeconds(), end];
}

async function ask(path) {
  // A server that dies while it answers must not hold up the page for ever.
  const answer = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(15e3) });
  if (!answer.ok) throw Object.assign(new Error(path + ': ' + answer.status), { status: answer.status });
  return answer.json();
}

/** Whether the series of the range shown are here; until then nothing is drawn, and nothing is called empty. */
const loaded = (...names) => M.frame && M.frame.range === S.range && names.every(n => M.frame.has(n));

/* Series. Whoever draws says which it wants; all of a page are asked for together, at most 64 in one question. */
const wanted = new Map();
const want = name => wanted.set(name, (wanted.get(name) || 0) + 1);
const empty = n => ({ mean: new Array(n).fill(null), min: new Array(n).fill(null), max: new Array(n).fill(null) });

async function fetchSeries(names, from, to, points) {
  const parts = [];
  for (let i = 0; i < names.length; i += 60) parts.push(names.slice(i, i + 60));
  const answers = await Promise.all(parts.map(async part => {
    const question = list => `/api/series?series=${list.map(encodeURIComponent).join(',')}&from=${from}&to=${to}&points=${points}`;
    try { return await ask(question(part)); } catch (error) {
      if (error.status !== 404) throw error;
      // One name nobody knows must not take the others with it.
      const each = await Promise.all(part.map(n => ask(question([n])).catch(() => null)));
      const good = each.filter(Boolean);
      if (!good.length) throw error;
      return { ...good[0], series: Object.assign({}, ...good.map(g => g.series)) };
    }
  }));
  const first = answers[0], series = Object.assign({}, ...answers.map(a => a.series));
  const n = Math.max(0, ...Object.values(series).map(s => s.mean.length));
  const x = Array.from({ length: n }, (_, i) => first.start + i * first.step);
  for (const name of names) series[name] ||= empty(n);
  return { x, step: first.step, from: first.from, to: first.to, gaps: first.gaps || [], series, get: name => series[name] || empty(n), has: name => name in series };
}

let loading = 0, loadedAt = 0, again = false;
/** Loads what the page wants for the range shown, and draws it. */
async function load() {
  if (loading) { again = true; return; }
  const ticket = ++loading;
  loadedAt = performance.now();
  const zoom = S.zoom, range = S.range, to = zoom ? zoom[1] : now(), from = zoom ? zoom[0] : to - rangeSeconds();
  const points = Math.max(240, Math.min(1200, Math.round(($('main').clientWidth || 1200) / 1.6 / 60) * 60));
  try {
    const names = [...wanted.keys()];
    const [frame, told] = await Promise.all([
      names.length ? fetchSeries(names, from.toFixed(0), to.toFixed(0), points) : { x: [], step: 60, from, to, gaps: [], series: {}, get: () => empty(0), has: () => false },
      ask(`/api/events?from=${from.toFixed(0)}&to=${to.toFixed(0)}&limit=300`),
    ]);
    Object.assign(frame, { range, zoom, asked: now() });
    if (zoom !== S.zoom || range !== S.range) again = true;
    else {
      M.frame = frame;
      M.events = told.events.slice().reverse();
      M.more = told.more;
      for (const w of widgets) if (w.update) w.update();
      shellRanges();
    }
  } catch { /* the live connection tells the reader; the old picture stays */ }
  if (ticket === loading) loading = 0;
  if (again) { again = false; load(); }
}

/** Sparklines: the last day whatever the range, and the latest events. */
let sparksAt = -1e9;
async function loadSlow() {
  sparksAt = performance.now();
  try {
    const names = [...new Set(((M.status && M.status.tiles) || []).map(t => t.series).filter(Boolean))];
    const to = now();
    const [sparks, told] = await Promise.all([
      names.length ? fetchSeries(names, (to - DAY).toFixed(0), to.toFixed(0), 96) : null,
      ask('/api/events?limit=100'),
    ]);
    M.sparks = sparks;
    M.latest = told.events;
    if (!S.zoom) for (const w of widgets) if (w.slow) w.slow();
    tickAll();
  } catch { /* as above */ }
}

async function loadClients() {
  if (S.page !== 'service' || !M.status) return;
  try {
    if (!M.fortnight || now() - M.fortnight.to > 10 * MINUTE) {
      M.fortnight = await fetchSeries(['packets_in'], (now() - 14 * DAY).toFixed(0), now().toFixed(0), 400);
      for (const w of widgets) if (w.slow) w.slow();
    }
    if (M.status.public) return;
    M.clients = await ask('/api/clients');
    tickAll();
  } catch { /* as above */ }
}

function tickAll() { for (const w of widgets) if (w.tick) w.tick(); }

/* Live values. A browser's own retry gives up on an error status, so the connection is always made anew by us. */
let stream = null, retry = 0, watchdog = 0, started = null;
function connect() {
  clearTimeout(retry);
  if (stream) stream.close();
  stream = new EventSource('/api/live');
  stream.addEventListener('status', e => listen(e.data));
  stream.addEventListener('sources', e => { M.sources = JSON.parse(e.data); sourcesChanged(); tickAll(); });
  stream.addEventListener('event', e => {
    M.latest = [JSON.parse(e.data), ...M.latest].slice(0, 100);
    tickAll();
    if (!S.zoom) load();
  });
  stream.onerror = lost;
  watch();
}
/** A status comes once a second. Should it come faster, as from a simulation, four a second are enough to look at. */
let newest = '', listening = 0, listened = 0;
function listen(text) {
  newest = text;
  listening ||= setTimeout(() => {
    listening = 0;
    listened = performance.now();
    hear(JSON.parse(newest));
  }, Math.max(0, 250 - (performance.now() - listened)));
}
/** Nothing heard for 8 s is as good as a broken connection: a sleeping laptop never sees the error. */
function watch() { clearTimeout(watchdog); watchdog = setTimeout(lost, 8000); }
function lost() {
  if (stream) { stream.close(); stream = null; }
  clearTimeout(watchdog);
  if (M.contact !== 'down') { M.contact = 'down'; M.since = now(); shell(); tickAll(); }
  clearTimeout(retry);
  retry = setTimeout(connect, 5000);
}
async function hear(status) {
  const first = M.contact !== 'live', restarted = started !== null && status.started !== started;
  M.status = status;
  started = status.started;
  setClock(status.now);
  watch();
  if (first || restarted) {
    M.contact = 'live';
    // After a restart there may be other plots, sources and series.
    try {
      const [plots, sources] = await Promise.all([ask('/api/plots'), ask('/api/sources')]);
      const changed = JSON.stringify(plots) !== JSON.stringify(M.plots);
      M.plots = plots;
      M.sources = sources;
      if (changed) route();
    } catch { /* the next status tries nothing, the next restart does */ }
    shell();
    load();
    loadSlow();
    loadClients();
  }
  shellTick();
  tickAll();
  if (document.hidden) return;
  const frame = M.frame;
  if (frame && !S.zoom && now() - frame.asked > Math.min(120, Math.max(10, frame.step)) && performance.now() - loadedAt > 2000) load();
  if (performance.now() - sparksAt > 120e3) loadSlow();
  if (S.page === 'service' && M.clients && now() - M.clients.at > 10) loadClients();
}

/** The lines of "each source" are known only with the sources: another set is another page. */
let sourceSet = '';
function sourcesChanged() {
  const set = M.sources.sources.map(s => s.id).join();
  if (set !== sourceSet) { sourceSet = set; if (document.readyState !== 'loading' && M.plots) { render(); load(); } }
}
