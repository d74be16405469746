// LuCI's status page, in a browser, with the little of LuCI that it uses: the loader of views, E(), _(), format(), fs.exec.
// SPDX-License-Identifier: MIT OR Apache-2.0
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { chromium } from 'playwright-core';

const file = name => fs.readFileSync(new URL(`../../packaging/openwrt/luci/${name}`, import.meta.url), 'utf8');
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
test.after(() => browser.close());

/** What LuCI gives a view; children in an array are text, as there. */
const LUCI = `
  const _ = text => text;
  String.prototype.format = function (...args) { let i = 0; return this.replace(/%[sd]/g, () => String(args[i++])); };
  const E = (tag, attributes, children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (!Array.isArray(children)) throw new Error('children that are no array are markup in LuCI');
    for (const child of children) node.append(child instanceof Node ? child : document.createTextNode(String(child)));
    return node;
  };
  const polled = [];
  const poll = { add: (task, seconds) => polled.push([task, seconds]) };
  const view = { extend: methods => methods };
`;

async function show(t, answers) {
  const page = await browser.newPage(), bad = [];
  t.after(() => page.close());
  page.on('pageerror', e => bad.push(String(e)));
  await page.setContent('<!doctype html><main></main>');
  await page.addScriptTag({ content: `${LUCI}
    const answers = ${JSON.stringify(answers)}, asked = [];
    const fs = { exec: (program, args) => { asked.push([program, ...args].join(' ')); const a = answers.shift();
      return a.reject ? Promise.reject(new Error(a.reject)) : Promise.resolve(a); } };
    const status = new Function('view', 'fs', 'poll', 'E', '_', ${JSON.stringify(file('status.js'))})(view, fs, poll, E, _);
    window.ready = status.load().then(data => document.querySelector('main').append(status.render(data)));
    window.again = () => Promise.all(polled.map(([task]) => task()));
    window.asked = asked;` });
  await page.evaluate(() => window.ready);
  return { page, bad, text: () => page.innerText('main') };
}

const STATUS = {
  synchronised: true, reason: null, error_bound_s: 0.00674,
  tracking: { name: 'a.example', stratum: 2, correction_s: 2.5e-6, frequency_ppm: -1073.2 },
  serverstats: { ntp_hits: 4711, ntp_drops: 12 },
  sources: [
    { name: 'a.example', address: '192.0.2.1', state: 'selected', stratum: 1, reach: 0o377, measured_offset_s: 18e-6, error_s: 6.384e-3 },
    { name: '<img src=x onerror=alert(1)>', address: '192.0.2.2', state: 'falseticker', stratum: 3, reach: 0o17, measured_offset_s: -0.03, error_s: 0.0176 },
  ],
};
const says = (status, code = 0) => ({ code, stdout: JSON.stringify(status), stderr: '' });

test('the clock and its sources are told', async t => {
  const { page, bad, text } = await show(t, [says(STATUS), says({ ...STATUS, synchronised: false, reason: 'no source answers' }, 1)]);
  const first = await text();
  for (const part of ['The clock is synchronised', 'a.example, stratum 2', 'at most 6.74 ms', '2.5 µs', '1073.200 ppm slow', '4711', '12', 'falseticker', '○○○○●●●●', '-30 ms', '<img src=x onerror=alert(1)>'])
    assert.ok(first.includes(part), `${part} is not in: ${first}`);
  assert.equal(await page.locator('main img').count(), 0, 'a name is text');
  await page.evaluate(() => window.again());
  const second = await text();
  assert.ok(second.includes('The clock is not synchronised') && second.includes('no source answers'), second);
  assert.deepEqual(bad, []);
  // What it runs is what its rights allow.
  const allowed = JSON.parse(file('acl.json'))['luci-app-timeball'].read.file;
  for (const command of await page.evaluate(() => window.asked)) assert.deepEqual(allowed[command], ['exec'], command);
  const [entry] = Object.values(JSON.parse(file('menu.json')));
  assert.deepEqual([entry.action.path, entry.depends.acl], ['timeball/status', ['luci-app-timeball']]);
});

test('a daemon that does not run, or may not be asked, is told', async t => {
  const silent = await show(t, [{ code: 1, stdout: '', stderr: '506 Cannot talk to daemon\n' }]);
  assert.ok((await silent.text()).includes('506 Cannot talk to daemon'));
  const denied = await show(t, [{ reject: 'Permission denied' }]);
  assert.ok((await denied.text()).includes('Permission denied'));
  assert.deepEqual([...silent.bad, ...denied.bad], []);
});
