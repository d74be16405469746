// A server of made-up data behind the real page: for developing it, and for the browser test. It answers as docs/api.md says.
//
//   node tests/browser/server.mjs [port] [public] [hostile] [empty]
//
// SPDX-License-Identifier: MIT OR Apache-2.0
import http from 'node:http';
import fs from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { fileURLToPath, URL } from 'node:url';
import { CLIENTS, DAY, EVENTS, GAPS, INTERVALS, NOW, SINCE, SOURCES, STARTED, VERSIONS, sample, value } from './story.mjs';

/** The answer of the program to /api/plots, without its list of metrics. */
export const PLOTS = JSON.parse(fs.readFileSync(new URL('plots.json', import.meta.url)));
const FOLDER = fileURLToPath(new URL('../../crates/timeball/src/observe/dashboard/', import.meta.url));
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TYPES = { html: 'text/html; charset=utf-8', css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8' };

/** The page's files, as the daemon embeds them: the parts of app/ are one script. */
export function files() {
  const read = name => fs.readFileSync(path.join(FOLDER, name));
  const parts = fs.readdirSync(path.join(FOLDER, 'app')).filter(n => n.endsWith('.js')).sort();
  const app = Buffer.concat(parts.map(n => read('app/' + n)));
  return { '/': ['html', read('index.html')], '/style.css': ['css', read('style.css')], '/uplot.js': ['js', read('uplot.js')], '/app.js': ['js', app] };
}

const HOSTILE = '<img src=x onerror="window.hacked=1"><b>bold</b>&amp;\u202egpj';

/** One made-up world. Its clock starts at NOW and runs on. */
export class World {
  constructor(options = {}) {
    this.options = options;
    this.born = Date.now();
    this.started = options.empty ? NOW - 20 : STARTED;
  }
  now() { return NOW + (this.options.frozen ? 0 : (Date.now() - this.born) / 1000); }
  get(name, t = this.now() - 30) { return this.options.empty ? null : value(name, t); }
  name(text) { return this.options.hostile && text ? text + ' ' + HOSTILE : text; }
  private(text) { return this.options.public ? text.replace(/\d+\.\d+\.\d+\.\d+/g, 'One address') : text; }

  status() {
    const { public: pub, empty } = this.options, now = this.now(), g = n => this.get(n);
    const wrong = Math.round((g('source_offset@s4') || 0) * 1e3), ms = v => v * 1e3;
    const tile = (id, label, v, scale, unit, digits, series, words, level = 'none', term = id) => ({ id, label, term, value: empty ? null : v, scale, unit, digits, series, words: empty ? '' : words, level });
    const good = [4, 'of five agree'];
    const status = {
      now, at: now - .2, live: true, public: !!pub, version: '0.1.0', started: this.started, state: empty ? 'setting' : 'synchronised',
      sentence: empty ? 'Your clock is being set. About 8 seconds to go.' : `${pub ? 'This' : 'Your'} clock is within ${(Math.ceil(ms(g('error_bound')) * 10) / 10).toFixed(1)} ms of true time.`,
      detail: empty ? 'Four sources answered and agree so far. Nothing is served to clients until the clock is right.' : `It follows ${this.name('gps.ixp.example')} and agrees with three other sources. One of five, ntp.city.example, is wrong by ${wrong} ms and is ignored. It gives ${Math.round(g('packets_out'))} answers a second.`,
      headings: {
        clock: { title: 'This oscillator runs 1 073 ppm slow, and that is compensated.', text: 'It stays the same to 0.1 ppm, so the remembered value makes a restart exact at once. Uncompensated, the clock would lose 93 seconds a day.' },
        sources: { title: 'Four of five sources agree within 0.6 ms. One is wrong and is ignored.', text: 'The clock follows gps.ixp.example because its error bound is the smallest. With four good sources, two more could fail before the time is in doubt.' },
        clients: { title: '200 000 clients asked in the last hour. 99 % of them are well-behaved.', text: 'Of all requests of this day 0.9 % were dropped, nearly all of them from one address.' },
        events: { title: 'Ten things happened today. One still needs you: ntp.city.example.', text: 'Each entry says what happened, why, and what it did to the time you serve.' },
      },
      tiles: [
        tile('error_bound', 'Error bound', g('error_bound'), 1e3, 'ms', 2, 'error_bound', 'pool allows 25 ms', 'good'),
        tile('stratum', 'Stratum', g('stratum'), 1, '', 0, 'stratum', 'one step from a PPS clock'),
        tile('sources', 'Sources', good[0], 1, 'of 5', 0, 'usable_sources', 'one is wrong', 'warn'),
        tile('requests', 'Requests', g('packets_in'), 1, '/s', 0, 'packets_in', 'peak today 4 179'),
        tile('dropped', 'Dropped', g('limited') / g('packets_in'), 100, '%', 1, 'limited', 'most today 40 %'),
        tile('clients', 'Clients', 198526, 1, '', 0, null, 'remembered; 12 limited now'),
        tile('conntrack', 'Conntrack', g('conntrack') / 65536, 100, '%', 1, 'conntrack', 'NTP is not tracked'),
        tile('cpu', 'Processor', g('cpu_user') + g('cpu_system'), 100, '%', 1, 'cpu_system', 'of one core of four'),
      ],
      clock: empty ? null : Object.fromEntries([['source', this.name('gps.ixp.example')], ['ref_id', '50505300'], ['leap', 'normal'], ['reference_time', now - 230],
        ...['stratum', 'offset', 'error_bound', 'last_offset', 'rms_offset', 'frequency', 'residual_frequency', 'skew', 'root_delay', 'root_dispersion', 'update_interval'].map(n => [n, g(n)])]),
      service: Object.fromEntries([['total', { requests: 91234567, dropped: 812345 }], ['month', { begin: 1793491200, recorded: 24.6 * DAY, bytes_in: 6.61e11, bytes_out: 6.47e11, requests: 8.7e9, answered: 8.51e9 }], ['last_month', { begin: 1790812800, recorded: 31 * DAY, bytes_in: 7.9e11, bytes_out: 7.7e11, requests: 1.04e10, answered: 1.01e10 }], ['dropped', empty ? 0 : g('limited') + g('refused') + g('invalid')], ...[['requests', 'packets_in'], ['answered', 'packets_out'], ['dropped_rate', 'limited'], ['dropped_access', 'refused'], ['dropped_invalid', 'invalid'], ['dropped_other', 'lost'], ['bytes_in', 'bytes_in'], ['bytes_out', 'bytes_out']].map(([k, n]) => [k, empty ? 0 : g(n)])]),
      machine: { cpu: empty ? .012 : g('cpu_user') + g('cpu_system'), memory: 5.6e6, temperature: empty ? 44 : g('temperature'), conntrack: empty ? 300 : Math.round(g('conntrack')), conntrack_limit: 65536, threads: 1 },
      archive: { since: empty ? now - 20 : SINCE, bytes: 31457280, series: 56, written_today: 288000, interval: 300, problem: null },
    };
    if (!pub) {
      status.host = 'bpi-r3';
      status.next = empty ? { done: true, title: 'Nothing to do', text: 'This page fills by itself.' }
        : { done: false, title: 'Next: replace ntp.city.example', text: 'It has been wrong since 12:40. Four good sources remain, so there is no hurry.', link: '#/sources' };
    }
    return status;
  }

  sources() {
    const now = this.now();
    const sources = SOURCES.map((s, i) => {
      const state = this.options.empty ? 'lost' : s.state(now - 1), offset = this.get('source_offset@' + s.id, now - 60);
      const mark = { selected: '*', combined: '+', unneeded: '-', unsteady: '~', wrong: 'x', lost: '?' }[state];
      return { id: s.id, name: this.name(s.name), address: this.options.public ? null : s.address, ref_id: this.options.public && s.stratum > 1 ? null : this.name(s.ref_id), kind: 'server', state, mark, stratum: s.stratum, offset,
        margin: this.options.empty ? null : (s.d / 2 + s.j) * 1e-3, delay: this.get('source_delay@' + s.id), jitter: this.get('source_jitter@' + s.id), poll: s.poll, reach: this.options.empty ? 1 : i === 2 ? 239 : 255, age: 12, frequency: 1e-9, skew: 6e-9, samples: 24, why: this.options.empty ? 'Not yet measured.' : this.name(s.why) };
    });
    return { at: now, followed: this.options.empty ? null : 's0', agree: this.options.empty ? null : [-.00021, .00021], sources };
  }

  clients() {
    const clients = this.options.empty ? [] : CLIENTS.map(([address, rate, dropped, action, interval, note], i) => ({ address, rate, requests: Math.round(rate * DAY * .7), dropped: Math.round(rate * DAY * .7 * dropped), interval, age: i * .7, version: i % 3 ? 'v4' : 'v3', action, note: this.name(note) }));
    const list = rows => this.options.empty ? [] : rows.map(([label, share]) => ({ label, share: share / 100 }));
    return { at: this.now(), remembered: this.options.empty ? 0 : 1060000, capacity: 2000000, clients, intervals: list(INTERVALS), versions: list(VERSIONS) };
  }

  series(q) {
    const time = (key, otherwise, end) => { const v = q.has(key) ? Number(q.get(key)) : otherwise; return v < 0 ? end + v : v; };
    const to = time('to', this.now(), this.now()), from = time('from', to - DAY, to), points = Math.max(1, Math.min(2000, Number(q.get('points') || 720)));
    const finest = this.now() - from <= DAY + 60 ? 10 : this.now() - from <= 4 * DAY + 60 ? 60 : this.now() - from <= 60 * DAY ? 600 : 7200;
    const step = Math.max(1, Math.ceil((to - from) / points / finest)) * finest, start = Math.floor(from / step) * step, n = Math.max(0, Math.floor((to - start) / step));
    const out = {};
    for (const name of (q.get('series') || '').split(',')) {
      if (value(name, NOW) === undefined) return null;
      const rows = Array.from({ length: n }, (_, i) => this.options.empty ? [null, null, null] : sample(name, start + i * step, step));
      const short = v => v === null ? null : Number(v.toPrecision(8));
      out[name] = { unit: '', mean: rows.map(r => short(r[0])), min: rows.map(r => short(r[1])), max: rows.map(r => short(r[2])) };
    }
    return { from, to, start, step, series: out, gaps: this.options.empty ? [] : GAPS.filter(g => g[1] > from && g[0] < to && g[1] - g[0] >= step) };
  }

  events(q) {
    const from = Number(q.get('from') || 0), to = Number(q.get('to') || 1e12), limit = Math.min(1000, Number(q.get('limit') || 200));
    const all = this.options.empty ? [{ serial: 1, at: NOW - 20, end: null, kind: 'start', short: 'first start', what: 'Started for the first time', why: '', effect: '' }] : EVENTS;
    const list = all.filter(e => e.at >= from && e.at < to).map(e => ({ ...e, what: this.name(e.what), short: this.name(e.short), why: this.private(e.why) }));
    return { events: list.slice(0, limit), more: list.length > limit };
  }

  /** What the program itself said once; the test with the program looks whether it still does. */
  plots() { return PLOTS; }
}

/** Starts a server; stop() ends it and every connection, as a killed daemon would. */
export async function start(port = 0, options = {}) {
  const world = new World(options), streams = new Set(), sockets = new Set();
  const send = (request, answer, code, type, body) => {
    const zip = /gzip/.test(request.headers['accept-encoding'] || '') && body.length > 200;
    answer.writeHead(code, { 'Content-Type': type, 'Content-Security-Policy': CSP, 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer', 'Cache-Control': 'no-store', ...(zip ? { 'Content-Encoding': 'gzip' } : {}) });
    answer.end(zip ? gzipSync(body, { level: 9 }) : body);
  };
  const server = http.createServer((request, answer) => {
    const url = new URL(request.url, 'http://x'), page = files()[url.pathname];
    if (page) { send(request, answer, 200, TYPES[page[0]], page[1]); return; }
    if (url.pathname === '/api/live') {
      answer.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'Content-Security-Policy': CSP });
      const say = (kind, body) => answer.write(`event: ${kind}\ndata: ${JSON.stringify(body)}\n\n`);
      answer.write('retry: 5000\n\n');
      say('status', world.status());
      say('sources', world.sources());
      let n = 0;
      const timer = setInterval(() => { say('status', world.status()); if (++n % 10 === 0) say('sources', world.sources()); }, 1000);
      streams.add(timer);
      request.on('close', () => { clearInterval(timer); streams.delete(timer); });
      return;
    }
    const json = { '/api/status': () => world.status(), '/api/sources': () => world.sources(), '/api/plots': () => world.plots(), '/api/series': () => world.series(url.searchParams), '/api/events': () => world.events(url.searchParams), '/api/clients': () => options.public ? undefined : world.clients() }[url.pathname];
    const body = json && json();
    if (body) send(request, answer, 200, 'application/json', Buffer.from(JSON.stringify(body)));
    else send(request, answer, json && url.pathname === '/api/clients' ? 403 : 404, 'application/json', Buffer.from('{"error":"not here"}'));
  });
  server.on('connection', s => { sockets.add(s); s.on('close', () => sockets.delete(s)); });
  await new Promise((resolve, reject) => { server.on('error', reject); server.listen(port, '127.0.0.1', resolve); });
  return {
    port: server.address().port, world,
    stop() { for (const t of streams) clearInterval(t); for (const s of sockets) s.destroy(); return new Promise(resolve => server.close(resolve)); },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const words = process.argv.slice(2), port = Number(words.find(w => /^\d+$/.test(w)) || 8124);
  const s = await start(port, { public: words.includes('public'), hostile: words.includes('hostile'), empty: words.includes('empty') });
  console.log(`http://127.0.0.1:${s.port}/`);
}
