// The page in a real browser: against a made-up server, where every number is known, and against the program itself, whose
// `demo` lives through a simulated day.
// SPDX-License-Identifier: MIT OR Apache-2.0
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { spawn } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import { fileURLToPath, URL } from 'node:url';
import { chromium } from 'playwright-core';
import { PLOTS, files, start } from './server.mjs';
import { NOW, value } from './story.mjs';

const SHOTS = fileURLToPath(new URL('shots/', import.meta.url));
const CHROMIUM = process.env.CHROMIUM || '/usr/bin/chromium';
const PAGES = ['overview', 'clock', 'sources', 'service', 'host', 'events', 'classic'];
const BUDGET = 150_000;
fs.mkdirSync(SHOTS, { recursive: true });

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--hide-scrollbars'],
});
test.after(() => browser.close());

/** A page on a server of its own; collects what must never be: console errors, exceptions, requests to anybody else. */
async function open(t, hash, { server = {}, size = [1440, 900], ...context } = {}) {
  const s = await start(0, { frozen: true, ...server });
  const c = await browser.newContext({ viewport: { width: size[0], height: size[1] }, colorScheme: 'light', timezoneId: 'Europe/Berlin', ...context });
  const page = await c.newPage(), bad = [], sent = { bytes: 0 };
  page.on('console', m => { if (m.type() === 'error' || m.type() === 'warning') bad.push(m.text()); });
  page.on('pageerror', e => bad.push(String(e)));
  page.on('request', r => { if (!r.url().startsWith(`http://127.0.0.1:${s.port}/`) && !r.url().startsWith('data:')) bad.push('foreign request: ' + r.url()); });
  t.after(async () => { await c.close(); await s.stop(); });
  await page.goto(`http://127.0.0.1:${s.port}/#/${hash}`);
  return { page, s, bad, sent };
}
const drawn = page => page.waitForFunction(() => {
  const plots = [...document.querySelectorAll('.plot')];
  return document.querySelector('#main').dataset.page && plots.every(p => !p.classList.contains('skel')) && document.querySelector('.live').textContent.includes('live');
}, null, { timeout: 20_000 });
/** How many different colours a canvas shows inside its plot area: an empty one has a few greys, a line adds its own. */
const colours = page => page.evaluate(() => [...document.querySelectorAll('.panel')].filter(p => p.querySelector('canvas')).map(p => {
  const c = p.querySelector('canvas'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  let coloured = 0;
  for (let i = 0; i < d.length; i += 4) if (d[i + 3] && Math.max(d[i], d[i + 1], d[i + 2]) - Math.min(d[i], d[i + 1], d[i + 2]) > 40) coloured += 1;
  return { id: p.dataset.plot, coloured };
}));
/** Grey lines, of the axis or of what is only counted, cannot be told from the axes; all others must be there. */
let offered = PLOTS.plots; // by the server under test
const grey = id => offered.find(p => p.id === id).series.every(s => s.colour === 'c5');
function hasLines(list) { for (const p of list) if (!grey(p.id)) assert.ok(p.coloured > 60, `${p.id} has no line: ${p.coloured} coloured points`); }
const overflow = page => page.evaluate(() => {
  const wide = document.documentElement.clientWidth;
  const out = [...document.querySelectorAll('body *')].filter(e => {
    const r = e.getBoundingClientRect();
    if (!r.width || r.right <= wide + 1) return false;
    for (let p = e; p; p = p.parentElement) if (['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(p).overflowX)) return false;
    return true;
  });
  return { page: document.documentElement.scrollWidth - wide, out: out.slice(0, 5).map(e => e.tagName + '.' + e.className) };
});
const shot = (page, name, fullPage = true) => page.screenshot({ path: SHOTS + name + '.png', fullPage });

test('all files together are light', () => {
  const total = Object.values(files()).reduce((sum, [, body]) => sum + gzipSync(body, { level: 9 }).length, 0);
  console.log(`page: ${total} bytes gzipped`);
  assert.ok(total < BUDGET, `${total} bytes`);
});

test('nothing in our files can run markup or style that came from outside', () => {
  for (const [name, [, body]] of Object.entries(files())) {
    if (name === '/uplot.js') continue;
    const text = body.toString();
    assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\('style'/, name);
    assert.doesNotMatch(text, / style="| on[a-z]+="|<style|<script>/, name);
    assert.doesNotMatch(text.replaceAll('http://www.w3.org/2000/svg', ''), /https?:\/\//, name);
  }
});

for (const name of PAGES) {
  for (const [look, options] of [['light', {}], ['dark', { colorScheme: 'dark' }], ['phone', { size: [360, 740], hasTouch: true, isMobile: true, deviceScaleFactor: 2 }]]) {
    test(`${name}, ${look}: drawn with data, silent, nothing overflows`, async t => {
      const { page, bad } = await open(t, name, options);
      await drawn(page);
      await page.waitForTimeout(400);
      const list = await colours(page), plots = { overview: 5, clock: 9, sources: 4, service: 2, host: 4, events: 0, classic: 13 }[name];
      assert.ok(list.length >= plots, `${list.length} graphs`);
      hasLines(list);
      assert.deepEqual(await overflow(page), { page: 0, out: [] });
      await shot(page, `${name}-${look}`);
      assert.deepEqual(bad, []);
    });
  }
}

for (const [width, height] of [[768, 1024], [1280, 800], [2560, 1440], [3840, 2160]]) {
  test(`${width} px wide: nothing overflows`, async t => {
    const { page, bad } = await open(t, 'overview', { size: [width, height], colorScheme: 'dark' });
    await drawn(page);
    assert.deepEqual(await overflow(page), { page: 0, out: [] });
    await shot(page, 'overview-' + width);
    assert.deepEqual(bad, []);
  });
}

test('the numbers are the server’s', async t => {
  const { page, s } = await open(t, 'overview');
  await drawn(page);
  const bound = value('error_bound', s.world.now() - 30) * 1e3;
  assert.match(await page.locator('.tile').first().locator('.v').innerText(), new RegExp(bound.toFixed(2).replace('.', '\\.')));
  assert.match(await page.locator('h1').innerText(), /within 0\.4\sms/);
  await page.goto(page.url().replace('overview', 'classic'));
  await drawn(page);
  const cells = await page.locator('[data-plot=classic_frequency] .rr tbody td').allInnerTexts();
  const shown = Number(cells[1].replace('−', '-').replace(/\s/g, ''));
  assert.ok(Math.abs(shown - value('frequency', NOW - 150) * 1e6) < .02, cells.join());
});

test('everything is reached and read with the keyboard', async t => {
  const { page, bad } = await open(t, 'overview');
  await drawn(page);
  const seen = [];
  for (let i = 0; i < 90; i++) {
    await page.keyboard.press('Tab');
    seen.push(await page.evaluate(() => {
      const e = document.activeElement, r = e.getBoundingClientRect(), o = getComputedStyle(e);
      return { what: e.className || e.tagName, name: (e.getAttribute('aria-label') || e.textContent || '').slice(0, 40), ring: o.outlineStyle !== 'none' && parseFloat(o.outlineWidth) >= 2, w: r.width };
    }));
  }
  const reached = what => seen.some(e => String(e.what).includes(what));
  assert.ok(reached('skip') && reached('term') && reached('plot') && reached('ev') && reached('what') && seen.some(e => e.name.startsWith('1')), JSON.stringify(seen.map(e => e.what)));
  for (const e of seen) assert.ok(e.name && (e.ring || e.what === 'BODY'), `no name or no ring: ${JSON.stringify(e)}`);

  const plot = page.locator('.plot').first();
  await plot.focus();
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowLeft');
  assert.match(await page.locator('#say').innerText(), /\d\d:\d\d.*offset.*ms/);
  assert.equal(await page.locator('.lane .cur').isVisible(), true, 'the cursor is shared with the events');
  await page.keyboard.press('t');
  assert.ok(await page.locator('#table tbody tr').count() >= 20);
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('#table').evaluate(e => e.open), false);
  await plot.focus();
  await page.keyboard.press('+');
  assert.match(page.url(), /from=\d+&to=\d+/);
  await page.keyboard.press('Escape');
  assert.doesNotMatch(page.url(), /from=/);
  await page.keyboard.press('4');
  assert.match(page.url(), /range=30d/);
  await drawn(page);
  const term = page.locator('.tile .term').first();
  await term.focus();
  await page.keyboard.press('Enter');
  assert.match(await page.locator('#pop').innerText(), /largest error/);
  await shot(page, 'state-explain', false);
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('#pop').isVisible(), false);
  assert.deepEqual(bad, []);
});

test('dragging zooms, the address remembers, Escape returns', async t => {
  const { page, bad } = await open(t, 'overview');
  await drawn(page);
  const box = await page.locator('.u-over').first().boundingBox();
  await page.mouse.move(box.x + box.width * .3, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * .5, box.y + 60, { steps: 5 });
  await page.mouse.up();
  await page.waitForTimeout(600);
  const [, from, to] = page.url().match(/from=(\d+)&to=(\d+)/).map(Number);
  assert.ok(Math.abs((to - from) / 86400 - .2) < .02, `${(to - from) / 3600} h`);
  await shot(page, 'state-zoom', false);
  await page.reload();
  await drawn(page);
  assert.equal(await page.locator('.ranges .back').count(), 1);
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('.ranges .back').count(), 0);
  assert.deepEqual(bad, []);
});

test('hostile names are text', async t => {
  for (const name of ['overview', 'sources', 'service', 'events']) {
    const { page, bad } = await open(t, name, { server: { hostile: true }, size: [360, 740] });
    await drawn(page);
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    assert.equal(await page.locator('#main img, #main b b').count(), 0);
    assert.ok((await page.locator('#main').innerText()).includes('<img src=x onerror='));
    assert.deepEqual(await overflow(page), { page: 0, out: [] }, name);
    if (name === 'sources') await shot(page, 'state-hostile', false);
    assert.deepEqual(bad, []);
  }
});

test('a public page shows no client, no address, no advice', async t => {
  for (const name of ['overview', 'sources', 'service', 'events']) {
    const { page, bad } = await open(t, name, { server: { public: true } });
    await drawn(page);
    const text = await page.locator('body').innerText();
    assert.doesNotMatch(text, /203\.0\.113|2001:db8|192\.0\.2\.|Next:|bpi-r3/, name);
    assert.equal(await page.locator('a[href="/metrics"]').count(), 0);
    if (name === 'service') { assert.equal(await page.locator('table').count(), 0); await shot(page, 'public-service'); }
    assert.deepEqual(bad, []);
  }
});

test('before the first point nothing is invented', async t => {
  const { page, bad } = await open(t, 'overview', { server: { empty: true } });
  await drawn(page);
  assert.match(await page.locator('h1').innerText(), /being set/);
  assert.match(await page.locator('.plot').first().innerText(), /first point appears/);
  assert.equal(await page.locator('canvas').count(), 0);
  assert.equal(await page.locator('#ball').getAttribute('cy'), '6');
  await shot(page, 'state-empty');
  assert.deepEqual(bad, []);
});

test('the page outlives a restart of the server', async t => {
  const { page, s } = await open(t, 'overview');
  await drawn(page);
  await page.evaluate(() => { window.mine = true; });
  const port = s.port;
  await s.stop();
  await page.waitForFunction(() => document.body.classList.contains('stale'), null, { timeout: 12_000 });
  assert.match(await page.locator('#banner').innerText(), /does not answer/);
  assert.match(await page.locator('h1').innerText(), /^At \d\d:\d\d this clock was within/);
  await shot(page, 'state-down', false);
  const back = await start(port, { frozen: true });
  back.world.started += 100;
  await page.waitForFunction(() => !document.body.classList.contains('stale'), null, { timeout: 20_000 });
  await drawn(page);
  assert.match(await page.locator('h1').innerText(), /^Your clock is within/);
  assert.equal(await page.locator('#banner').isVisible(), false);
  assert.equal(await page.evaluate(() => window.mine), true, 'it was not loaded again');
  await back.stop();
});

test('UTC or local time, and the theme, are remembered', async t => {
  const { page, bad } = await open(t, 'events');
  await drawn(page);
  const before = await page.locator('.log time').first().innerText();
  await page.locator('.live .tz').click();
  await drawn(page);
  const after = await page.locator('.log time').first().innerText();
  assert.equal((Number(after.slice(0, 2)) - Number(before.slice(0, 2)) + 24) % 24, 1, `${before} ${after}`);
  await page.locator('footer button').click();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  await page.reload();
  await drawn(page);
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  assert.equal(await page.locator('.log time').first().innerText(), after);
  assert.deepEqual(bad, []);
});

/* ---- the program itself */
const PROGRAM = process.env.TIMEBALL || ['release', 'debug'].map(p => fileURLToPath(new URL(`../../target/${p}/timeball`, import.meta.url))).find(p => fs.existsSync(p));

/** Starts `timeball demo` as fast as it can and waits until its day is over. */
async function demo(t) {
  const child = spawn(PROGRAM, ['demo', '--speed', '1000000', '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  let said = '';
  child.stdout.on('data', d => { said += d; });
  for (let i = 0; i < 100 && !/http:\/\/127\.0\.0\.1:\d+/.test(said); i++) await new Promise(r => setTimeout(r, 100));
  const address = said.match(/http:\/\/127\.0\.0\.1:\d+/)[0];
  for (let i = 0; i < 600; i++) {
    const status = await fetch(address + '/api/status').then(r => r.json()).catch(() => null);
    if (status && status.archive.since && status.now - status.archive.since > 86_300) return address;
    await new Promise(r => setTimeout(r, 500));
  }
  throw new Error('the simulated day did not end');
}
const weight = (address, path) => new Promise((resolve, reject) => http.get(address + path, { headers: { 'accept-encoding': 'gzip' } }, r => {
  let n = 0;
  r.on('data', d => { n += d.length; });
  r.on('end', () => resolve({ n, type: r.headers['content-encoding'], policy: r.headers['content-security-policy'] }));
}).on('error', reject));

test('the program: a simulated day on its own page', { skip: PROGRAM ? false : 'SKIPPED: the program is not built' }, async t => {
  const address = await demo(t);
  // The made-up server offers what the program offered once; the program may offer more by now, but nothing else.
  const told = await fetch(address + '/api/plots').then(r => r.json());
  offered = told.plots;
  t.after(() => { offered = PLOTS.plots; });
  for (const p of PLOTS.plots) {
    const now = told.plots.find(q => q.id === p.id);
    assert.deepEqual(now && [now.unit, now.scale, now.classic, now.series[0]], [p.unit, p.scale, p.classic, p.series[0]], `${p.id}: record tests/browser/plots.json anew from /api/plots`);
  }
  assert.deepEqual(Object.keys(PLOTS.terms).filter(k => !told.terms[k]), []);

  const parts = await Promise.all(['/', '/style.css', '/app.js', '/uplot.js'].map(p => weight(address, p)));
  const total = parts.reduce((a, p) => a + p.n, 0);
  for (const p of parts) assert.ok(p.type === 'gzip' && /default-src 'none'/.test(p.policy) && !/unsafe/.test(p.policy), JSON.stringify(p));
  assert.ok(total < BUDGET, `${total} bytes`);

  const looks = [['light', {}], ['dark', { colorScheme: 'dark' }], ['phone', { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 }]];
  for (const [look, options] of looks) {
    const c = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: 'light', ...options });
    for (const name of PAGES) {
      const page = await c.newPage(), bad = [];
      page.on('console', m => { if (m.type() === 'error' || m.type() === 'warning') bad.push(m.text()); });
      page.on('pageerror', e => bad.push(String(e)));
      page.on('request', r => { if (!r.url().startsWith(address + '/') && !r.url().startsWith('data:')) bad.push('foreign request: ' + r.url()); });
      page.on('response', r => { if (r.status() >= 400) bad.push(`${r.status()} ${r.url()}`); });
      await page.goto(`${address}/#/${name}`);
      await drawn(page);
      await page.waitForTimeout(300);
      if (name === 'overview') {
        const ms = await page.evaluate(() => performance.getEntriesByType('navigation')[0].loadEventEnd);
        console.log(`the program's page, ${look}: ${total} bytes, loaded after ${Math.round(ms)} ms`);
        assert.match(await page.locator('h1').innerText(), /^Your clock is within [\d.]+\s(ms|µs) of true time\.$/);
        assert.ok(await page.locator('.tile').count() >= 7);
        assert.ok(await page.locator('.happen li').count() >= 3);
      }
      if (name === 'sources') {
        assert.equal(await page.locator('table.stack tbody tr').count(), 5);
        assert.match(await page.locator('table.stack tbody').innerText(), /wrong/);
        assert.ok(await page.locator('.wide rect.s-wrong').count() >= 1);
      }
      if (name === 'service') assert.match(await page.locator('#main').innerText(), /This month\s+[\d.]+\s*[kMG]B/);
      if (name === 'events') assert.match(await page.locator('#main').innerText(), /203\.0\.113\.214 asks \d+ times a second/);
      const list = await colours(page);
      hasLines(list);
      assert.deepEqual(await overflow(page), { page: 0, out: [] }, name);
      await shot(page, `demo-${name}-${look}`);
      assert.deepEqual(bad, [], name);
      await page.close();
    }
    await c.close();
  }
});
