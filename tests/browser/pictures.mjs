// Makes the pictures of the README from `timeball demo`: node tests/browser/pictures.mjs ADDRESS FOLDER
// SPDX-License-Identifier: MIT OR Apache-2.0
import { chromium } from 'playwright-core';

const [address, folder] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--hide-scrollbars'] });
for (const [name, page, colorScheme, width, height, deviceScaleFactor] of [
  ['page-overview', 'overview', 'light', 1280, 960, 1], ['page-sources', 'sources', 'dark', 1280, 960, 1], ['page-service', 'service', 'dark', 900, 640, 1], ['page-classic', 'classic', 'light', 900, 640, 1], ['page-phone', 'overview', 'light', 360, 640, 1.5],
]) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, deviceScaleFactor, hasTouch: width < 700 });
  const p = await context.newPage();
  await p.goto(`${address}/#/${page}`);
  await p.waitForTimeout(2500);
  await p.screenshot({ path: `${folder}/${name}.png` });
  await context.close();
}
await browser.close();
