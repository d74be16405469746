/* The pages. What is drawn comes from /api/plots; words come from /api/status; a thing the server does not know is not shown. */

const PAGES = { overview: 'Overview', clock: 'Clock', sources: 'Sources', service: 'Service', host: 'Host', events: 'Events', classic: 'Classic' };
const page = {};

/** The plots of a page: those that name it, and those of its group that name no page. */
function plotsOf(name) {
  const names = name === 'service' ? ['service', 'clients'] : [name];
  return ((M.plots && M.plots.plots) || []).filter(p => {
    if (p.series.every(s => s.as === 'state')) return false;
    const pages = p.pages || [];
    return pages.length ? names.some(n => pages.includes(n)) : !p.classic && names.includes(p.group);
  });
}
/** Graphs in a grid; the first `wide` of them over the whole width. */
function graphsOf(plots, wide, cls, small = 140) {
  if (plots.length === wide + 1) wide += 1; // one alone would stand beside a hole
  return [plots.slice(0, wide).map(p => graph(p, { height: 196 })), el('div', { class: cls }, plots.slice(wide).map(p => graph(p, { height: small })))];
}
const panel = (heading, unit, body) => el('section', { class: 'panel' }, el('div', { class: 'head' }, el('h3', {}, heading, el('span', { class: 'u' }, unit))), body);
const group = (title, words) => el('h2', { class: 'grouph' }, title, el('span', {}, words));

/** Title and text of a page, in the server's words. */
function heading(key, plain, text) {
  const said = () => (M.status && M.status.headings && M.status.headings[key]) || { title: plain, text: text || '' };
  return el('div', { class: 'pagehead' }, live('h1', { class: 'page' }, () => tied(said().title)), live('p', {}, () => tied(said().text || '')));
}

/* ---- overview */
function sentence() {
  if (!M.status) return 'Asking this server …';
  if (M.contact !== 'down') return M.status.sentence;
  const c = M.status.clock, bound = c && c.error_bound * 1e3;
  return M.status.state === 'synchronised' && known(bound)
    ? `At ${clockOf(M.since)} this clock was within ${bound < .1 ? '0.1' : num(Math.ceil(bound * 10) / 10, 1)}${NB}ms of true time.`
    : `At ${clockOf(M.since)} this clock was not known to be right.`;
}
const past = () => M.status && M.status.clock && M.status.clock.source ? `It was following ${M.status.clock.source}.` : '';
function nextStep() {
  const down = M.contact === 'down', next = down
    ? { title: 'Next: look at the machine', text: 'Ask it: timeball status. If it answers, only this page is affected.' }
    : M.status && M.status.next;
  if (!next || (M.status && M.status.public)) return '';
  const link = next.link && /^#\/[\w/]*$/.test(next.link) && el('a', { href: next.link }, 'See why');
  return el('div', { class: 'todo' + (next.done ? ' ok' : '') }, el('b', {}, next.title), next.text, ' ', link);
}
const tileValue = t => {
  const list = t.values || [t.value], k = t.scale ?? 1;
  return list.map((v, i) => [i ? el('span', { class: 'vs' }, '/') : '', typeof v === 'string' ? v : num(known(v) ? v * k : v, t.digits ?? 0)]);
};
function tile(id) {
  const t = () => (M.status && (M.status.tiles || []).find(q => q.id === id)) || {};
  const first = t();
  return el('div', { class: 'tile' },
    el('div', { class: 'l' }, term(first.term, first.label)),
    region('div', { class: 'v' }, () => [t().value, t().values, t().unit, t().digits], () => [tileValue(t()), t().unit && el('small', {}, t().unit)]),
    first.series ? spark(first.series) : el('div', { class: 'spark' }),
    region('div', { class: 'w' }, () => [t().words, t().level], () => el('span', { class: t().level || '' }, t().words || '')));
}
function happened(limit) {
  return region('ul', { class: 'happen' }, () => M.latest.slice(0, limit).map(e => [e.serial, e.at, e.what]), () => M.latest.length
    ? M.latest.slice(0, limit).map(e => el('li', {}, el('time', {}, now() - e.at < 20 * HOUR ? clockOf(e.at) : dayOf(e.at)), mark(e.kind),
      el('button', { type: 'button', class: 'what', onclick: ev => eventPop([e], ev.currentTarget) }, tied(e.what))))
    : el('li', { class: 'none' }, 'Nothing yet.'));
}
function facts(rows) {
  return el('dl', { class: 'kv' }, rows.map(([key, label, value]) => [el('dt', {}, term(key, label)), el('dd', {}, live('span', {}, value))]));
}
const machine = key => M.status && M.status.machine ? M.status.machine[key] : null;
const archive = key => M.status && M.status.archive ? M.status.archive[key] : null;
const month = key => (M.status && M.status.service && M.status.service[key]) || null;
const volume = m => m ? bytes(m.bytes_in + m.bytes_out) : '–';
const hostFacts = () => [
  ['temperature', 'Temperature', () => known(machine('temperature')) ? num(machine('temperature'), 1) + NB + '°C' : '–'],
  ['memory', 'Memory', () => bytes(machine('memory'))],
  ['conntrack', 'Connections', () => known(machine('conntrack')) ? `${num(machine('conntrack'))} of ${num(machine('conntrack_limit'))}` : '–'],
  ['month', 'Traffic this month', () => volume(month('month'))],
  ['flash', 'Written today', () => bytes(archive('written_today'))],
  ['archive', 'Remembers since', () => known(archive('since')) ? dayOf(archive('since')) + ' ' + date(archive('since')).getUTCFullYear() : '–'],
];

page.overview = () => {
  const plots = plotsOf('overview'), tiles = () => ((M.status && M.status.tiles) || []).map(t => t.id);
  const row = region('div', { class: 'tiles' }, tiles, () => tiles().length ? tiles().map(tile) : Array.from({ length: 8 }, () => el('div', { class: 'tile ghost' })));
  widget({ start: size, tick: size });
  function size() { row.style.setProperty('--n', row.childElementCount); }
  return el('div', { class: 'ov' },
    el('div', { class: 'lede' },
      el('div', {}, live('h1', {}, () => tied(sentence())), live('p', {}, () => M.contact === 'down' ? past() : M.status ? tied(M.status.detail || '') : '\u00a0')),
      region('div', {}, () => [M.status && M.status.next, M.contact], nextStep)),
    strip(),
    row,
    el('div', { class: 'cols' },
      el('div', { class: 'ov-main' }, lane(), graphsOf(plots, 2, 'grid2')),
      el('div', { class: 'ov-side' },
        el('section', { class: 'sidebox' }, el('h2', {}, 'Sources', el('a', { href: '#/sources', 'aria-label': 'all about the sources' }, 'all')), ribbons(false), stateKeys()),
        el('section', { class: 'sidebox' }, el('h2', {}, 'What happened', el('a', { href: '#/events', 'aria-label': 'all events' }, 'all')), happened(6)),
        el('section', { class: 'sidebox' }, el('h2', {}, 'Host', el('a', { href: '#/host', 'aria-label': 'all about the host' }, 'all')), facts(hostFacts())))));
};

/* ---- clock */
page.clock = () => {
  const plots = plotsOf('clock');
  want('offset');
  want('frequency');
  return el('div', {}, heading('clock', 'The clock'), lane(), graphsOf(plots, 1, 'grid2 m', 140),
    group('Character', 'what kind of clock this is, from the range shown'),
    el('div', { class: 'grid2' },
      panel(term('distribution', 'How often each offset occurred'), 'ms', picture(distribution)),
      panel(term('allan', 'Allan deviation'), 'of the recorded frequency, against averaging time', picture(allan))));
};

/* ---- sources */
page.sources = () => {
  const plots = plotsOf('sources');
  const offset = plots.find(p => p.series.some(s => s.id === 'source_offset')), rest = plots.filter(p => p !== offset);
  return el('div', {}, heading('sources', 'Sources'), sourceTable(),
    el('div', { class: 'grid2' },
      panel(term('agree', 'Who agrees'), 'ms from the system clock, with each source’s own margin', agreement()),
      offset && graph(offset, { height: 214 })),
    group('What the clock did with each', 'taller means more trusted'), stateKeys(), lane('far'), ribbons(true),
    group('Over time', 'how many are good, how far away they are, and how much they scatter'), el('div', { class: 'grid2' }, rest.map(p => graph(p, { height: 160 }))));
};
function agreement() {
  const e = picture(forest);
  let seen = 0;
  widget({ tick() { if (M.sources && M.sources.at !== seen && e.clientWidth) { seen = M.sources.at; forest(e); } } });
  return e;
}
function reachBits(reach) {
  const bits = Array.from({ length: 8 }, (_, k) => (reach >> (7 - k)) & 1), n = bits.filter(Boolean).length;
  return el('span', { class: 'bits', role: 'img', 'aria-label': n === 8 ? 'all of the last 8 answered' : `${n} of the last 8 answered` }, bits.map(b => el('i', { class: b ? '' : 'x' })));
}
function sourceTable() {
  const columns = [['stratum', 'Stratum', ''], ['offset', 'Offset', 'ms'], ['margin', '±', 'ms'], ['delay', 'Delay', 'ms'], ['jitter', 'Jitter', 'µs'], ['poll', 'Poll', '']];
  const head = el('tr', {}, el('th', {}, 'Source'), el('th', {}, term('state', 'State')),
    columns.map(([key, label, unit]) => el('th', { class: 'n' }, term(key, label), unit && ' ' + unit)), el('th', {}, term('reach', 'Reach')), el('th', { class: 'why' }, 'Why'));
  const cells = s => [['Stratum', known(s.stratum) ? s.stratum : '–'], ['Offset ms', signed(s.offset * 1e3, 3)], ['± ms', num(s.margin * 1e3, 2)], ['Delay ms', num(s.delay * 1e3, 2)], ['Jitter µs', num(s.jitter * 1e6, s.jitter < 1e-5 ? 1 : 0)], ['Poll', pollWords(s.poll)]];
  const row = s => el('tr', {},
    el('td', { class: 'full' }, el('b', {}, s.name), el('small', {}, [s.address && s.address !== s.name && s.address, s.ref_id && (known(s.stratum) && s.stratum > 1 ? 'follows ' : 'reads ') + s.ref_id].filter(Boolean).join(' · '))),
    el('td', { class: 'full' }, el('span', { class: 'st t-' + s.state }, glyph(s.state), STATES[s.state].words), el('small', { class: 'why2' }, tied(s.why || ''))),
    cells(s).map(([label, v]) => el('td', { class: 'n', 'data-l': label }, v === null ? '–' : v)),
    el('td', { 'data-l': 'Reach' }, reachBits(s.reach)), el('td', { class: 'full why' }, tied(s.why || '')));
  return el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Sources' }, el('table', { class: 'stack' }, el('thead', {}, head),
    region('tbody', {}, () => M.sources && M.sources.at, () => ((M.sources && M.sources.sources) || []).map(row))));
}

/* ---- service */
page.service = () => {
  const plots = plotsOf('service');
  return el('div', {}, heading('clients', 'Service'), lane(), graphsOf(plots, 1, plots.length === 3 ? 'grid2' : 'g3'),
    M.status && M.status.public ? el('p', { class: 'quote' }, 'Client addresses are not shown on the public page.') : clientTable(),
    group('Habits', 'how and when clients ask'),
    el('div', { class: 'g3' },
      region('div', {}, () => M.clients && M.clients.intervals, () => share('intervals', 'How often clients ask', '% of clients')),
      region('div', {}, () => M.clients && M.clients.versions, () => share('versions', 'Versions', '% of requests')),
      panel(term('hours', 'Hours of the day'), 'requests per second, the last two weeks', fortnight())),
    group('Volume', 'NTP packets with their IP headers, by calendar month'),
    el('div', { class: 'g3' }, monthFacts('month', 'This month'), monthFacts('last_month', 'Last month')));
};
/** What a month took and gave; of one that is not recorded nothing is shown. */
function monthFacts(key, name) {
  const m = () => month(key);
  return region('div', {}, () => [m() && m().begin], () => m() ? facts([
    ['month', name, () => volume(m())],
    ['', 'In', () => bytes(m().bytes_in)],
    ['', 'Out', () => bytes(m().bytes_out)],
    ['', 'Requests', () => num(m().requests)],
    ['', 'Answered', () => m().requests ? num(100 * m().answered / m().requests, 1) + NB + '%' : '–'],
    ['', 'Recorded', () => lasting(m().recorded)],
  ]) : '');
}
function fortnight() {
  const draw = hours('Requests per second'), e = picture(draw);
  widget({ slow: () => draw(e) });
  return e;
}
function share(key, title, unit) {
  const rows = M.clients && M.clients[key];
  return rows && rows.length ? panel(term(key, title), unit, bars(rows)) : '';
}
const ACTIONS = { answer: 'answer', limited: 'limited', kod: 'told to slow down' };
function clientTable() {
  const row = (c, most) => {
    const b = el('span', { class: 'bar' + (c.action !== 'answer' ? ' lim' : '') });
    b.style.width = Math.max(.5, c.rate / most * 100) + '%';
    return el('tr', {}, el('td', { class: 'full mono' }, c.address), el('td', { class: 'n', 'data-l': 'Requests/s' }, num(c.rate, c.rate < 10 ? 2 : 1)), el('td', { class: 'barcell' }, b),
      el('td', { class: 'n', 'data-l': 'Requests' }, num(c.requests)), el('td', { class: 'n', 'data-l': 'Dropped' }, !c.requests ? '–' : c.dropped ? num(100 * c.dropped / c.requests, 1) + NB + '%' : '0'),
      el('td', { class: 'n', 'data-l': 'Asks every' }, c.interval < .1 && known(c.interval) ? num(c.interval * 1e3, 1) + NB + 'ms' : pollWords(c.interval)), el('td', { class: 'n', 'data-l': 'Last asked' }, known(c.age) ? lasting(Math.max(1, c.age)).split(' ')[0] + ' ago' : '–'),
      el('td', { 'data-l': 'Version' }, c.version || '–'), el('td', { 'data-l': 'We' }, c.action === 'answer' ? 'answer' : el('span', { class: 'tag bad' }, ACTIONS[c.action] || c.action)), el('td', { class: 'full' }, c.note || ''));
  };
  const filled = () => {
    const list = (M.clients && M.clients.clients) || [];
    if (!list.length) return el('tr', {}, el('td', { class: 'full', colspan: 10 }, !M.clients ? '' : known(M.clients.remembered) ? 'Nobody has asked yet.' : 'Who asks is not remembered here.'));
    const most = Math.max(...list.map(c => c.rate), 1e-9);
    return list.slice(0, showAll ? 50 : 10).map(c => row(c, most));
  };
  let showAll = false;
  const more = region('p', { class: 'more' }, () => [M.clients && M.clients.clients.length > 10, showAll], () => M.clients && M.clients.clients.length > 10
    ? el('button', { type: 'button', onclick: () => { showAll = !showAll; tickAll(); } }, showAll ? 'Only the busiest ten' : `All ${M.clients.clients.length}`) : '');
  const known_ = live('span', {}, () => M.clients && known(M.clients.remembered) ? `${num(M.clients.remembered)} addresses remembered` + (known(M.clients.capacity) ? `, room for ${num(M.clients.capacity)}` : '') : '');
  return [el('h2', { class: 'grouph' }, 'Busiest addresses', known_),
    el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Busiest addresses' }, el('table', { class: 'stack' },
      el('thead', {}, el('tr', {}, el('th', {}, 'Address'), el('th', { class: 'n' }, 'Requests/s'), el('th', { class: 'barcell' }, ''), el('th', { class: 'n' }, 'Requests'), el('th', { class: 'n' }, 'Dropped'), el('th', { class: 'n' }, 'Asks every'), el('th', { class: 'n' }, 'Last asked'), el('th', {}, 'Version'), el('th', {}, term('action', 'What we do')), el('th', {}, 'Note'))),
      region('tbody', {}, () => [M.clients && M.clients.at, showAll], filled))), more];
}

/* ---- host */
page.host = () => el('div', {}, heading('host', 'The machine, and what this program takes of it', ''), lane(), graphsOf(plotsOf('host'), 0, 'grid2', 160),
  group('Machine and archive', 'what there is, what is remembered, and what it costs'),
  el('div', { class: 'g3' }, facts(hostFacts()),
    facts([
      ['archive', 'Size of the archive', () => bytes(archive('bytes'))],
      ['', 'Series', () => num(archive('series'))],
      ['', 'Saved every', () => lasting(archive('interval'))],
      ['', 'Lost at a power cut', () => known(archive('interval')) ? 'at most ' + lasting(archive('interval')) : '–'],
      ['', 'Answering threads', () => num(machine('threads'))],
    ]),
    el('div', {}, live('p', { class: 'quote' }, () => archive('problem') || 'The archive is written without trouble.'), exportLinks())));
function exportLinks() {
  const names = [...new Set(((M.plots && M.plots.plots) || []).flatMap(p => p.series.filter(s => !s.each).map(s => s.id)))].sort();
  const select = el('select', { id: 'export', 'aria-label': 'Series' }, names.map(n => el('option', { value: n }, n)));
  const fetchAs = format => () => { const [a, b] = span(); open(`/api/series?series=${encodeURIComponent(select.value)}&from=${a.toFixed(0)}&to=${b.toFixed(0)}&points=2000${format}`, '_blank', 'noopener'); };
  return names.length ? el('p', { class: 'export' }, el('label', { for: 'export' }, 'Take a series with you: '), select, ' ', el('button', { type: 'button', onclick: fetchAs('&format=csv') }, 'CSV'), ' ', el('button', { type: 'button', onclick: fetchAs('') }, 'JSON')) : '';
}

/* ---- events */
page.events = () => {
  const shown = () => (S.zoom ? M.events.slice().reverse() : M.latest).filter(e => !S.filter.size || S.filter.has(e.kind));
  const entry = e => el('li', {}, el('time', {}, clockOf(e.at) + (e.end ? ' – ' + (dayOf(e.at) === dayOf(e.end) ? '' : dayOf(e.end) + NB) + clockOf(e.end) : '')), mark(e.kind),
    el('div', {}, el('span', { class: 'vh' }, (KINDS[e.kind] || e.kind) + ': '), tied(e.what), el('div', { class: 'y' }, tied(e.why || ''))), el('span', { class: 'f' }, tied(e.effect || '')),
    el('button', { type: 'button', class: 'go', onclick: () => showEvent(e) }, 'on the graph'));
  const box = region('div', { class: 'log' }, () => [shown().map(e => e.serial), [...S.filter], local, S.zoom], () => {
    const groups = new Map();
    for (const e of shown()) {
      const key = `${DAYS[date(e.at).getUTCDay()]} ${dayOf(e.at)}` + (dayOf(e.at) === dayOf(now()) ? ', today' : '');
      groups.set(key, [...(groups.get(key) || []), e]);
    }
    if (!groups.size) return el('p', { class: 'quote' }, 'Nothing of this kind happened.');
    return [...groups].map(([day, list]) => el('section', {}, el('h2', {}, day), el('ol', {}, list.map(entry))));
  });
  const filters = Object.entries(KINDS).map(([k, name]) => el('button', { type: 'button', 'aria-pressed': S.filter.has(k), onclick: ev => {
    if (!S.filter.delete(k)) S.filter.add(k);
    ev.currentTarget.setAttribute('aria-pressed', S.filter.has(k));
    tickAll();
  } }, mark(k), name, live('span', {}, () => String(M.latest.filter(e => e.kind === k).length))));
  return el('div', {}, heading('events', 'What happened', 'Each entry says what happened, why, and what it did to the time you serve.'), lane(),
    el('div', { class: 'filters', role: 'group', 'aria-label': 'Show only' }, filters), box);
};

/* ---- classic */
page.classic = () => {
  const plots = ((M.plots && M.plots.plots) || []).filter(p => p.classic).sort((a, b) => a.classic - b.classic);
  return el('div', {}, heading('classic', 'The thirteen classic graphs', 'Same series, units and order as the rrdtool page many operators know, from the same archive as everything else here.'),
    el('div', { class: 'grid3' }, plots.map(p => graph(p, { height: 132, classic: true })),
      el('p', { class: 'quote else' }, 'The same thirteen as pictures, with the names of the old scripts, for a web server that has them already: ', el('code', { class: 'mono' }, 'timeball graph --classic DIR'))));
};
