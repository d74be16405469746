/* The bar, the foot, keys, and where one is. */

/** The address says what is looked at, so that it can be sent to somebody. */
function remember() {
  const q = new URLSearchParams();
  if (S.zoom) { q.set('from', S.zoom[0].toFixed(0)); q.set('to', S.zoom[1].toFixed(0)); } else if (S.range !== '24h') q.set('range', S.range);
  const text = q.toString();
  history.replaceState(null, '', '#/' + S.page + (text ? '?' + text : ''));
  prefs.set('range', S.range);
  nav();
}
function go(name) { S.page = name; remember(); render(); load(); scrollTo(0, 0); }

function setRange(id) { S.range = id; zoom(null); }

function theme() {
  const chosen = prefs.get('theme'), dark = chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  return dark;
}

function nav() {
  const q = location.hash.split('?')[1];
  $('nav').replaceChildren(...Object.entries(PAGES).map(([k, name]) => el('a', { href: '#/' + k + (q ? '?' + q : ''), 'aria-current': k === S.page ? 'page' : null }, name)));
  // On a narrow screen the pages scroll sideways: the one shown must be in sight.
  const here = $('nav').querySelector('[aria-current]');
  if (here) $('nav').scrollLeft = Math.max(0, here.offsetLeft - $('nav').offsetLeft - ($('nav').clientWidth - here.offsetWidth) / 2);
}

function shellRanges() {
  const rows = [];
  if (S.zoom) {
    const [a, b] = S.zoom;
    rows.push(
      el('button', { class: 'step', type: 'button', 'aria-label': 'earlier', onclick: () => pan(-.5) }, '‹'),
      el('button', { class: 'back', type: 'button', 'aria-label': `Back from ${moment(a)} to ${moment(b)} to the whole range`, onclick: () => zoom(null) }, '× ' + moment(a) + ' – ' + moment(b)),
      el('button', { class: 'step', type: 'button', 'aria-label': 'later', disabled: b >= now() - 60, onclick: () => pan(.5) }, '›'));
  }
  for (const [id] of rangeList()) rows.push(el('button', { type: 'button', 'aria-pressed': !S.zoom && S.range === id, onclick: () => setRange(id) }, id.replace(/(\d+)/, '$1' + NB)));
  const box = $('ranges'), at = [...box.children].indexOf(document.activeElement);
  box.replaceChildren(...rows);
  if (at >= 0) (box.children[Math.min(at, rows.length - 1)]).focus();
}

let dot, word, time;
function shellTick() {
  if (!dot) return;
  const down = M.contact === 'down', silent = M.status && !M.status.live && !down;
  dot.className = 'dot' + (down || silent ? ' off' : M.contact === 'wait' ? ' wait' : '');
  word.textContent = down || silent ? 'no answer' : M.contact === 'wait' ? 'connecting' : 'live';
  time.textContent = down ? 'since ' + clockOf(M.since) : M.contact === 'wait' ? '' : secondsOf(now());
  document.body.classList.toggle('stale', down || silent);
  const banner = $('banner'), show = down || silent;
  if (banner.hidden === !show) return;
  banner.hidden = !show;
  if (!show) { banner.replaceChildren(); return; }
  if (down) banner.replaceChildren(el('b', {}, 'Timeball’s page does not answer.'), el('span', {}, `This is what it knew at ${clockOf(M.since)}; it tries again by itself every 5 seconds. Clients may still be served: the page is a process of its own.`));
  else banner.replaceChildren(el('b', {}, 'The time daemon has fallen silent.'), el('span', {}, `The page and its history are here, but nothing has been heard from the daemon since ${M.status.at ? secondsOf(M.status.at) : 'the start'}.`));
}

function shell() {
  const dark = theme(), s = M.status;
  $('host').textContent = (s && !s.public && s.host) || '';
  $('host').hidden = !$('host').textContent;
  $('ball').setAttribute('cy', M.contact === 'live' && s && (s.state === 'synchronised' || s.state === 'unsure') ? 15 : 6);
  nav();
  dot = el('span', { class: 'dot' });
  word = el('span', {});
  time = el('span', { class: 'tick' });
  $('live').replaceChildren(dot, word, time, el('button', { class: 'tz', type: 'button', 'aria-label': 'Times are shown in ' + (local ? 'local time' : 'UTC') + '; change', onclick: () => { local = !local; prefs.set('tz', local ? 'local' : 'utc'); shell(); render(); } }, zoneName()));
  $('banner').hidden = true;
  const foot = $('foot');
  foot.replaceChildren();
  put(foot, [
    s && el('span', {}, 'Timeball ' + s.version), s && s.started && live0(() => 'up ' + lasting(now() - M.status.started)),
    s && s.archive && known(s.archive.since) && el('span', {}, `remembers since ${dayOf(s.archive.since)} ${date(s.archive.since).getUTCFullYear()}, ${bytes(s.archive.bytes)}`),
    s && (s.public ? el('span', {}, 'public page, read only') : [el('a', { href: '/metrics' }, 'metrics'), el('a', { href: '/api/status' }, 'api')]),
    el('span', { class: 'sp' }), el('span', { class: 'hint' }, 'Drag on a graph to zoom · keys 1–5 range, ← → read values, Esc back'),
    el('button', { type: 'button', onclick: () => { prefs.set('theme', dark ? 'light' : 'dark'); shell(); render(); } }, dark ? 'Light theme' : 'Dark theme'),
  ]);
  shellRanges();
  shellTick();
}
/** Text of the foot; it is made anew with the shell, so it follows by the minute only. */
const live0 = text => el('span', {}, text());

/** Builds the page that is looked at. */
function render() {
  for (const w of widgets) if (w.started && w.stop) w.stop();
  widgets = [];
  wanted.clear();
  graphs.clear();
  followers.clear();
  cursorAt = null;
  document.title = PAGES[S.page] + ' · Timeball';
  const main = $('main');
  main.replaceChildren();
  main.append(pattern(), M.plots ? page[S.page]() : waiting());
  main.dataset.page = S.page;
  for (const w of widgets) { if (w.start) w.start(); w.started = true; }
  // Names that were not asked for before are missing from the frame: they draw as unknown until it is loaded.
}

/** Before the first answer: the final layout with lines, no shimmer, no shift. */
const waiting = () => el('div', { class: 'ov' },
  el('div', { class: 'lede' }, el('div', {}, el('h1', {}, 'Asking this server …'), el('p', {}, '\u00a0'))),
  el('div', { class: 'tiles' }, Array.from({ length: 8 }, () => el('div', { class: 'tile ghost' }))));

function route() {
  const m = location.hash.match(/^#\/(\w+)(?:\?(.*))?/), q = new URLSearchParams((m && m[2]) || '');
  const name = m && (m[1] === 'clients' ? 'service' : m[1]);
  S.page = name && Object.hasOwn(PAGES, name) ? name : 'overview';
  S.range = rangeList().some(r => r[0] === q.get('range')) ? q.get('range') : S.range;
  const from = Number(q.get('from')), to = Number(q.get('to'));
  S.zoom = from && to && to - from >= 2 * MINUTE ? [from, to] : null;
  shell();
  render();
  load();
  loadClients();
  scrollTo(0, 0);
}

addEventListener('hashchange', () => { route(); $('main').focus({ preventScroll: true }); });
addEventListener('keydown', e => {
  if (e.ctrlKey || e.metaKey || e.altKey || /INPUT|SELECT|TEXTAREA/.test(e.target.tagName) || $('table').open) return;
  const range = /^[1-9]$/.test(e.key) && rangeList()[Number(e.key) - 1];
  if (range) setRange(range[0]);
  else if (e.key === 'Escape' && S.zoom && !$('pop').matches(':popover-open')) zoom(null);
});
document.addEventListener('visibilitychange', () => { if (!document.hidden && M.contact === 'live') { load(); loadSlow(); } });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { if (!prefs.get('theme')) { shell(); render(); } });
let dense = devicePixelRatio;
addEventListener('resize', () => { if (devicePixelRatio !== dense) { dense = devicePixelRatio; render(); } });

/** First paint before any data; then what the server knows. */
async function begin() {
  const stored = prefs.get('range');
  if (stored && FALLBACK.some(r => r[0] === stored)) S.range = stored;
  theme();
  shell();
  render();
  try {
    const [status, sources, plots] = await Promise.all([ask('/api/status'), ask('/api/sources').catch(() => ({ sources: [] })), ask('/api/plots')]);
    Object.assign(M, { status, sources, plots, contact: 'live' });
    started = status.started;
    sourceSet = sources.sources.map(s => s.id).join();
    setClock(status.now);
    route();
    loadSlow();
  } catch { M.since = now(); }
  connect();
}
begin();
